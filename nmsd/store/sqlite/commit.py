"""Grouped commits: whoever writes to an account at the same time shares one transaction and one sync of the disk.

A light batch is run where its leader is, in a fraction of a millisecond, if no other process holds the database's lock,
and only the commit, which syncs, is left to a native thread: each statement there has to get the interpreter back from
everyone else.  Where the batch is of appends only and the process has a journal, their redo record is synced there,
with those of other accounts, and the commit follows on the spot without a sync.  All other batches are run in a native
thread, which may wait.

Invariants: one batch of an account at a time in a process (the database's lock keeps other processes out); a caller is
told only after the commit and the announcements, and nobody sees a change that a power failure could take back; a
caller that is killed while it waits neither loses the lead for the others nor leaves a thread behind that still uses
the connection.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from nmsd.model.errors import StoreError, StoreUnavailable
from nmsd.store.api import Announce, Runtime
from nmsd.store.sqlite.cache import OpenAccount, OpenCache
from nmsd.store.sqlite.faults import is_busy, translate, translate_os
from nmsd.store.sqlite.group import Group, Job, Turn
from nmsd.store.sqlite.journal import Journal
from nmsd.store.sqlite.redo import pack
from nmsd.store.sqlite.settings import Limits
from nmsd.store.sqlite.transaction import Transaction

T = TypeVar("T")

_BATCH: Final = 256
"""Most operations in one transaction: it bounds how long the first of them waits, and the undo after a fault."""

_LIGHT: Final = 256 * 1024
"""The weight up to which a batch is light."""

HEAVY: Final = _LIGHT + 1
"""The weight of an operation that may take long."""

_LIGHTEST: Final = 16 * 1024
_ROW: Final = 2048

_UNSYNCED: Final = 3 << 20
"""The weight of what may be committed without a sync before one commit syncs, and a native thread checkpoints."""

_LOG: Final = logging.getLogger("nmsd.store")


def weight(rows: int, size: int = 0) -> int:
    """The weight of an operation that writes so many rows with so many bytes in them."""
    return max(_LIGHTEST, rows * _ROW + size)


class _Entry(Turn, Generic[T]):
    """One operation in the queue, and how it ended."""

    __slots__ = ("error", "operation", "redoable", "result", "weight")

    def __init__(self, operation: Callable[[Transaction], T], weight: int, redoable: bool) -> None:
        super().__init__()
        self.operation = operation
        self.weight = weight
        self.redoable = redoable
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


class CommitQueue:
    """The writes of one account in this process."""

    def __init__(
        self,
        name: str,
        path: Path,
        cache: OpenCache,
        runtime: Runtime,
        announce: Announce,
        limits: Limits,
        now: Callable[[], float],
        journal: Journal | None,
    ) -> None:
        self._name = name
        self._path = path
        self._cache = cache
        self._runtime = runtime
        self._announce = announce
        self._limits = limits
        self._now = now
        self._journal = journal
        self._group: Group[_Entry[Any]] = Group(runtime, self._serve, _BATCH)

    def run(self, operation: Callable[[Transaction], T], weight: int = HEAVY, redoable: bool = False) -> T:
        """Runs an operation in the next transaction; returns, or raises, what it does, once that is on the disk.

        One that is `redoable` leaves in the transaction's `redo` what is needed to do it again.
        """
        entry = _Entry(operation, weight, redoable)
        self._group.run(entry)
        return entry.outcome()

    def _serve(self, batch: list[_Entry[Any]]) -> None:
        work = _BatchWork(batch, self._cache, self._limits, self._now())
        try:
            self._commit(work)
        except sqlite3.Error as error:
            work.fail(translate(error, self._path))
        except StoreError as error:
            work.fail(error)
        except OSError as error:
            work.fail(translate_os(error, self._path))
        except BaseException:
            if not work.ended:
                work.fail(StoreUnavailable("The commit was interrupted"))
            raise
        finally:
            for mailbox_id, modseq in dict(work.changes).items():
                self._tell(mailbox_id, modseq)

    def _commit(self, work: _BatchWork) -> None:
        opened = work.opened = self._cache.begin_writing(self._name, self._path)
        try:
            size = work.redo_size() if opened.unsynced < _UNSYNCED else 0
            if size and self._journal is not None and self._journal.admit(self._name, self._path, size):
                try:
                    self._commit_redoable(work, self._journal)
                finally:
                    self._journal.finished(size)
            else:
                self._commit_synced(work, work.begin_light(synced=True))
        finally:
            self._cache.end_writing(opened)
            if work.failed:
                # Whatever went wrong, the connection is not trusted again.
                self._cache.discard(self._name)

    def _commit_redoable(self, work: _BatchWork, journal: Journal) -> None:
        if not work.begin_light(synced=False):
            self._commit_synced(work, False)
        elif not work.ended:
            work.write_redo(self._name, journal)
            work.finish()

    def _commit_synced(self, work: _BatchWork, begun: bool) -> None:
        if not begun:
            Job(work.run).run(self._runtime, self._runtime.offload)
        elif not work.ended:
            Job(work.finish).run(self._runtime, self._runtime.finish)
        if self._journal is not None and work.synced:
            self._journal.synced(self._name)

    def _tell(self, mailbox_id: int, modseq: int) -> None:
        try:
            self._announce(self._name, mailbox_id, modseq)
        except Exception:
            # The change is stored; whoever was to be told finds it in the change log.
            _LOG.exception("announcing a change of %s failed", self._name)


class _BatchWork:
    """What is done with a batch: one transaction.  `changes` are to be announced, in order; `synced` says that the
    commit has put all that the account's WAL holds onto the disk."""

    __slots__ = (
        "_batch",
        "_cache",
        "_limits",
        "_now",
        "_transaction",
        "_weight",
        "changes",
        "ended",
        "failed",
        "opened",
        "synced",
    )

    def __init__(self, batch: list[_Entry[Any]], cache: OpenCache, limits: Limits, now: float) -> None:
        self._batch = batch
        self._cache = cache
        self._limits = limits
        self._now = now
        self._transaction: Transaction | None = None
        self._weight = sum([entry.weight for entry in batch])
        self.opened: OpenAccount | None = None
        self.changes: list[tuple[int, int]] = []
        self.ended = False
        self.failed = False
        self.synced = False

    def redo_size(self) -> int:
        """How long the redo record is at most; 0 if there cannot be one, or it would be no gain."""
        if self._weight > _LIGHT or not all(entry.redoable for entry in self._batch):
            return 0
        return self._weight

    def begin_light(self, synced: bool) -> bool:
        """Does all but the commit, and that too if there is nothing to commit; False: the batch is none that this can
        be done with on the spot.  `synced` says that the commit is to sync.  Raises what makes the transaction fail as
        a whole."""
        assert self.opened is not None
        if self._weight > _LIGHT:
            return False
        connection = self._cache.ready_writer(self.opened, synced)
        if connection is None:
            return False
        try:
            self._begin(connection, not synced)
        except sqlite3.Error as error:
            if self._transaction is not None or not is_busy(error):
                raise
            self.failed = False
            return False
        assert self._transaction is not None
        if self._transaction.is_empty():
            self.finish()
        return True

    def write_redo(self, name: str, journal: Journal) -> None:
        """Has the journal hold what the transaction does.  Raises OSError."""
        assert self._transaction is not None
        try:
            journal.write(pack(name, self._transaction.redo or ()))
        except BaseException:
            self.failed = True
            self._transaction.undo()
            raise

    def run(self) -> None:
        """Does everything; waits for other writers.  Raises what makes the transaction fail as a whole."""
        assert self.opened is not None
        try:
            connection = self._cache.writer(self.opened)
        except BaseException:
            self.failed = True
            raise
        self._begin(connection, False)
        self.finish()

    def _begin(self, connection: sqlite3.Connection, redoable: bool) -> None:
        """Leaves each operation's outcome in its entry."""
        try:
            transaction = self._transaction = Transaction(connection, self._limits, self._now, redoable)
            try:
                alone = len(self._batch) == 1
                for entry in self._batch:
                    self._run_one(transaction, entry, alone)
                transaction.flush()
            except BaseException:
                transaction.undo()
                raise
        except BaseException:
            self.failed = True
            raise

    def _run_one(self, transaction: Transaction, entry: _Entry[Any], alone: bool) -> None:
        try:
            entry.result = transaction.run(entry.operation, alone)
        except sqlite3.Error:
            raise
        except Exception as error:
            entry.error = error

    def finish(self) -> None:
        """Commits.  Raises sqlite3.Error."""
        assert self._transaction is not None
        assert self.opened is not None
        try:
            try:
                self._transaction.commit()
            except BaseException:
                self._transaction.undo()
                raise
        except BaseException:
            self.failed = True
            raise
        if not self.opened.synced:
            self.opened.unsynced += self._weight
        elif self._transaction.has_counted():  # a commit without anything to write syncs nothing
            self.opened.unsynced = 0
            self.synced = True
        self.changes = self._transaction.changes
        self.ended = True

    def fail(self, error: StoreError) -> None:
        """Gives every operation the error, whatever it came to alone: nothing of it is stored."""
        for entry in self._batch:
            entry.error = type(error)(*error.args)
