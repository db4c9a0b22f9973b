"""The accounts a process has open: a bounded number, and those unused for a while are closed.

Invariants: a reader is used under its lock only, in one short step; a writer only by the one who leads the commits of
its account, or a native thread for it.  Closing a writer may checkpoint, so it is left to a native thread: `retired`
holds those that wait for one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, TypeVar

from nmsd.model.errors import NoSuchAccount, StoreUnavailable
from nmsd.model.uidset import UidSet
from nmsd.store.api import Runtime
from nmsd.store.sqlite import schema
from nmsd.store.sqlite.database import (
    give_back_space,
    is_removed,
    open_reader,
    open_writer,
    sync_commits,
    wait_for_locks,
)
from nmsd.store.sqlite.faults import is_busy, translate, translate_os
from nmsd.store.sqlite.settings import Limits

T = TypeVar("T")

_RECHECK_S: Final = 1.0
"""How often it is looked whether a file was replaced by another one (an account removed and made again)."""


class OpenAccount:
    """One account's connections and what is remembered of it while they are open.

    `uids` keeps each mailbox's UIDs as last read: (uidnext, expunge_modseq, UIDs).  `writing` is set while somebody has
    the writer; `patient` says that the writer waits for locks, `synced` that its commits sync, `unsynced` is the weight
    of those since the last one that did.
    """

    __slots__ = (
        "checked",
        "closed",
        "identity",
        "lock",
        "path",
        "patient",
        "reader",
        "synced",
        "uids",
        "unsynced",
        "used",
        "writer",
        "writing",
    )

    def __init__(self, path: Path, reader: sqlite3.Connection, identity: tuple[int, int], now: float) -> None:
        self.path = path
        self.reader = reader
        self.identity = identity
        self.lock = threading.Lock()
        self.writer: sqlite3.Connection | None = None
        self.writing = False
        self.patient = True
        self.synced = True
        self.unsynced = 0
        self.closed = False
        self.used = now
        self.checked = now
        self.uids: dict[int, tuple[int, int, UidSet]] = {}


class Read(Protocol):
    """How a reading function gets at an account's reader: it runs one short step on it."""

    def __call__(self, step: Callable[[OpenAccount, sqlite3.Connection], T], /) -> T: ...


class OpenCache:
    """All open accounts of one store in one process, the least lately used first."""

    def __init__(self, runtime: Runtime, limits: Limits, now: Callable[[], float]) -> None:
        self._runtime = runtime
        self._limits = limits
        self._now = now
        self._open: OrderedDict[str, OpenAccount] = OrderedDict()
        self._lock = threading.Lock()  # never held across anything that switches greenlets
        self._retired: list[sqlite3.Connection] = []

    def __len__(self) -> int:
        return len(self._open)

    def read(self, name: str, path: Path, step: Callable[[OpenAccount, sqlite3.Connection], T]) -> T:
        """Runs one short step on the account's reader, in the caller's thread.

        SQLite lets readers wait only while a file is being recovered after a crash, or closed by its last user: then
        the step is run anew in a native thread, which may wait.  Raises NoSuchAccount and what a store may raise.
        """
        try:
            return self._read_open(name, path, step)
        except sqlite3.Error as error:
            self.discard(name)
            if not is_busy(error):
                raise translate(error, path) from error
        return self._runtime.offload(lambda: self._read_patiently(path, step))

    def _read_open(self, name: str, path: Path, step: Callable[[OpenAccount, sqlite3.Connection], T]) -> T:
        while True:
            opened = self.get(name, path)
            with opened.lock:
                if not opened.closed:
                    return step(opened, opened.reader)

    def _read_patiently(self, path: Path, step: Callable[[OpenAccount, sqlite3.Connection], T]) -> T:
        try:
            reader = open_reader(path, self._limits.lock_timeout_s)
            try:
                return step(OpenAccount(path, reader, (0, 0), 0), reader)
            finally:
                reader.close()
        except sqlite3.Error as error:
            raise translate(error, path) from error

    def get(self, name: str, path: Path) -> OpenAccount:
        """The open account; opens it if need be.  Raises NoSuchAccount, sqlite3.Error."""
        now = self._now()
        opened = self._open.get(name)
        if opened is not None:
            if abs(now - opened.checked) < _RECHECK_S or self._is_same_file(opened, now):
                opened.used = now
                with self._lock:
                    if name in self._open:
                        self._open.move_to_end(name)
                return opened
            self.discard(name)
        opened = self._open_file(name, path, now)
        with self._lock:
            raced = self._open.setdefault(name, opened)
            self._open.move_to_end(name)
            surplus = len(self._open) - self._limits.open_cache
            victims = [key for key, other in self._open.items() if not other.writing][: max(surplus, 0)]
        if raced is not opened:
            self._close(opened)
        for victim in victims:
            if victim != name:
                self.discard(victim)
        return raced

    def _is_same_file(self, opened: OpenAccount, now: float) -> bool:
        opened.checked = now
        return _identity(opened.path) == opened.identity

    def _open_file(self, name: str, path: Path, now: float) -> OpenAccount:
        identity = _identity(path)
        if identity is None:
            raise NoSuchAccount(f"There is no account {name!r}")
        reader = open_reader(path)
        try:
            found = schema.version(reader)
            if found < schema.LATEST:
                reader.close()
                self._runtime.offload(lambda: open_writer(path, self._limits.lock_timeout_s).close())
                reader = open_reader(path)
            elif found > schema.LATEST:
                raise StoreUnavailable(f"{path} was written by a newer nmsd")
            # A file that was replaced in between may have been put together with the other one's WAL.
            if is_removed(reader) or _identity(path) != identity:
                raise NoSuchAccount(f"There is no account {name!r}")
        except BaseException:
            reader.close()
            raise
        return OpenAccount(path, reader, identity, now)

    def begin_writing(self, name: str, path: Path) -> OpenAccount:
        """The open account, kept open until `end_writing`.  Raises NoSuchAccount, sqlite3.Error."""
        opened = self._open.get(name)
        if opened is not None and not self._is_same_file(opened, self._now()):
            self.discard(name)
        while True:
            opened = self.get(name, path)
            with self._lock:
                if not opened.closed:
                    opened.writing = True
                    return opened

    def end_writing(self, opened: OpenAccount) -> None:
        """Lets the account be closed again."""
        opened.writing = False

    def writer(self, opened: OpenAccount) -> sqlite3.Connection:
        """The account's writer, which waits for locks and syncs.  For native threads.  Raises sqlite3.Error."""
        self.close_retired()
        if opened.writer is None:
            opened.writer = open_writer(opened.path, self._limits.lock_timeout_s)
            opened.synced = True
        elif not opened.patient:
            wait_for_locks(opened.writer, self._limits.lock_timeout_s)
        opened.patient = True
        self._sync(opened, opened.writer, True)
        return opened.writer

    def ready_writer(self, opened: OpenAccount, synced: bool) -> sqlite3.Connection | None:
        """The account's writer, which does not wait for locks, and syncs if so told; None if it is not open.  Raises
        sqlite3.Error."""
        if opened.writer is None:
            return None
        if opened.patient:
            wait_for_locks(opened.writer, 0)
            opened.patient = False
        self._sync(opened, opened.writer, synced)
        return opened.writer

    def _sync(self, opened: OpenAccount, writer: sqlite3.Connection, synced: bool) -> None:
        if opened.synced != synced:
            sync_commits(writer, synced)
            opened.synced = synced

    def discard(self, name: str) -> None:
        """Closes an account now, unless it is being written to."""
        with self._lock:
            opened = self._open.get(name)
            if opened is None or opened.writing:
                return
            del self._open[name]
            opened.closed = True
        self._close(opened)

    def _close(self, opened: OpenAccount) -> None:
        with opened.lock:
            opened.closed = True
            opened.reader.close()
        if opened.writer is not None:
            self._retired.append(opened.writer)
            opened.writer = None

    def close_retired(self) -> None:
        """Closes writers that nobody uses any more.  For native threads."""
        while self._retired:
            try:
                writer = self._retired.pop()
            except IndexError:  # another thread was faster
                return
            with suppress(sqlite3.Error):  # what cannot be tidied now can be another time
                give_back_space(writer)
            writer.close()

    def close_unused(self, unused_s: float) -> None:
        """Closes the accounts not used for so many seconds."""
        now = self._now()
        for name, opened in list(self._open.items()):
            if now - opened.used >= unused_s:
                self.discard(name)
        if self._retired:
            self._runtime.offload(self.close_retired)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise translate_os(error, path) from error
    return found.st_dev, found.st_ino
