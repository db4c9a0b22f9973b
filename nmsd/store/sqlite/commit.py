"""Grouped commits: whoever writes to an account at the same time shares one transaction and one sync of the disk.

All writes to an account queue up in order.  The first one leads: it takes the whole queue as a batch, runs and commits
it, announces the changes, wakes the others of the batch, and hands the lead to the first of those who queued meanwhile.
Nobody serves the others for ever, and nobody overtakes.

A light batch is run where the leader is, in a fraction of a millisecond, if no other process holds the database's lock,
and only the commit, which syncs, is left to a native thread: each statement there has to get the interpreter back from
everyone else.  All others are run in a native thread, which may wait.

Invariants: one batch of an account at a time in a process (the database's lock keeps other processes out); a caller is
told only after the commit and the announcements; a caller that is killed while it waits neither loses the lead for the
others nor leaves a thread behind that still uses the connection.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from nmsd.model.errors import StoreError, StoreUnavailable
from nmsd.store.api import Announce, Runtime, Signal
from nmsd.store.sqlite.cache import OpenAccount, OpenCache
from nmsd.store.sqlite.faults import is_busy, translate
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

_LOG: Final = logging.getLogger("nmsd.store")


def weight(rows: int, size: int = 0) -> int:
    """The weight of an operation that writes so many rows with so many bytes in them."""
    return max(_LIGHTEST, rows * _ROW + size)


class _Entry(Generic[T]):
    """One operation in the queue, and how it ended."""

    __slots__ = ("done", "error", "leads", "operation", "result", "signal", "weight")

    def __init__(self, operation: Callable[[Transaction], T], weight: int) -> None:
        self.operation = operation
        self.weight = weight
        self.signal: Signal | None = None
        self.leads = False
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


class _Job:
    """Work for a native thread that must have ended before anyone goes on, even if its caller is killed meanwhile."""

    __slots__ = ("_ended", "_pipe", "_work")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._ended = False
        self._pipe: tuple[int, int] | None = None

    def run(self, runtime: Runtime, offload: Callable[[Callable[[], None]], None]) -> None:
        """Offloads the work.  What is raised at the caller meanwhile (a kill, a time-out) is raised when it ended."""
        try:
            offload(self._execute)
        finally:
            self._join(runtime)

    def _execute(self) -> None:
        try:
            self._work()
        finally:
            # First the mark, then the look at the pipe; _join does the reverse, so one of the two sees the other.
            self._ended = True
            if self._pipe is not None:
                os.write(self._pipe[1], b"x")

    def _join(self, runtime: Runtime) -> None:
        """Waits by a pipe: locks and events are made for greenlets here, and a thread that waits is a native one."""
        if self._ended:
            return
        reading, writing = self._pipe = os.pipe()
        while not self._ended:
            try:
                runtime.offload(lambda: os.read(reading, 1))
            except BaseException:
                _LOG.warning("a commit was interrupted again; still waiting for it")
        os.close(reading)
        os.close(writing)


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
    ) -> None:
        self._name = name
        self._path = path
        self._cache = cache
        self._runtime = runtime
        self._announce = announce
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()  # never held across anything that switches greenlets
        self._waiting: deque[_Entry[Any]] = deque()
        self._busy = False

    def run(self, operation: Callable[[Transaction], T], weight: int = HEAVY) -> T:
        """Runs an operation in the next transaction; returns, or raises, what it does, once that is on the disk."""
        entry = _Entry(operation, weight)
        with self._lock:
            self._waiting.append(entry)
            if self._busy:
                entry.signal = self._runtime.signal()
            else:
                self._busy = entry.leads = True
        if entry.signal is not None:
            try:
                entry.signal.wait()
            except BaseException:
                self._leave(entry)
                raise
        if not entry.done:
            self._lead()
        return entry.outcome()

    def _leave(self, entry: _Entry[Any]) -> None:
        """The caller was killed: takes its operation back if it was not begun, and passes on the lead if it had it."""
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
            if entry.leads and not entry.done:
                self._pass_lead()

    def _pass_lead(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        following = self._waiting[0]
        following.leads = True
        if following.signal is not None:
            following.signal.set()

    def _lead(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        work = _BatchWork(batch, self._cache, self._limits, self._now())
        try:
            self._commit(work)
        except sqlite3.Error as error:
            work.fail(translate(error, self._path))
        except StoreError as error:
            work.fail(error)
        except BaseException:
            if not work.ended:
                work.fail(StoreUnavailable("The commit was interrupted"))
            raise
        finally:
            for mailbox_id, modseq in dict(work.changes).items():
                self._tell(mailbox_id, modseq)
            for entry in batch:
                entry.done = True
            with self._lock:
                self._pass_lead()
            for entry in batch:
                if entry.signal is not None and not entry.leads:
                    entry.signal.set()

    def _commit(self, work: _BatchWork) -> None:
        opened = work.opened = self._cache.begin_writing(self._name, self._path)
        try:
            if not work.begin_light():
                _Job(work.run).run(self._runtime, self._runtime.offload)
            elif not work.ended:
                _Job(work.finish).run(self._runtime, self._runtime.finish)
        finally:
            self._cache.end_writing(opened)
            if work.failed:
                # Whatever went wrong, the connection is not trusted again.
                self._cache.discard(self._name)

    def _tell(self, mailbox_id: int, modseq: int) -> None:
        try:
            self._announce(self._name, mailbox_id, modseq)
        except Exception:
            # The change is stored; whoever was to be told finds it in the change log.
            _LOG.exception("announcing a change of %s failed", self._name)


class _BatchWork:
    """What is done with a batch: one transaction.  `changes` are to be announced, in order."""

    __slots__ = ("_batch", "_cache", "_limits", "_now", "_transaction", "changes", "ended", "failed", "opened")

    def __init__(self, batch: list[_Entry[Any]], cache: OpenCache, limits: Limits, now: float) -> None:
        self._batch = batch
        self._cache = cache
        self._limits = limits
        self._now = now
        self._transaction: Transaction | None = None
        self.opened: OpenAccount | None = None
        self.changes: list[tuple[int, int]] = []
        self.ended = False
        self.failed = False

    def begin_light(self) -> bool:
        """Does all but the commit, and that too if there is nothing to commit; False: the batch is none that this can
        be done with on the spot.  Raises what makes the transaction fail as a whole."""
        assert self.opened is not None
        if sum([entry.weight for entry in self._batch]) > _LIGHT:
            return False
        connection = self._cache.ready_writer(self.opened)
        if connection is None:
            return False
        try:
            self._begin(connection)
        except sqlite3.Error as error:
            if self._transaction is not None or not is_busy(error):
                raise
            self.failed = False
            return False
        assert self._transaction is not None
        if self._transaction.is_empty():
            self.finish()
        return True

    def run(self) -> None:
        """Does everything; waits for other writers.  Raises what makes the transaction fail as a whole."""
        assert self.opened is not None
        try:
            connection = self._cache.writer(self.opened)
        except BaseException:
            self.failed = True
            raise
        self._begin(connection)
        self.finish()

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Leaves each operation's outcome in its entry."""
        try:
            transaction = self._transaction = Transaction(connection, self._limits, self._now)
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
        try:
            try:
                self._transaction.commit()
            except BaseException:
                self._transaction.undo()
                raise
        except BaseException:
            self.failed = True
            raise
        self.changes = self._transaction.changes
        self.ended = True

    def fail(self, error: StoreError) -> None:
        """Gives every operation the error, whatever it came to alone: nothing of it is stored."""
        for entry in self._batch:
            entry.error = type(error)(*error.args)
