"""The journal: one file for a process, in which appends to all its accounts are made safe by one sync of the disk.

An account's own commit syncs its WAL, some twelve pages of it.  With a journal, a batch of appends writes its redo
record (the messages and what was decided about them) here, together with the records of other accounts, and then
commits without a sync.  Nobody sees a message before its record is on the disk: record first, commit after.

After a crash, whoever opens the store next replays the records of processes that are no more: see `redo`.  Everything
but appends syncs the account's WAL itself, and with it all that was committed before.

Invariants:
- a file belongs to the process that holds its lock (flock); only files without an owner are replayed, under the lock of
  the directory, and before anyone who opens the store can write;
- a record counts if it is whole and of the same generation as the first; a new generation begins at the start of the
  file, once the WALs of all accounts with records in the old one are synced.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from nmsd.store.api import Runtime
from nmsd.store.sqlite.group import Group, Job, Turn
from nmsd.store.sqlite.paths import make_directory, sync_directory

DIRECTORY: Final = "journal"
DESCRIPTORS_OF_JOURNAL: Final = 1

_LOCK: Final = ".lock"
_MAGIC: Final = b"nmj1"
_HEADER: Final = struct.Struct("<4sIQQI")  # magic, length, generation, stamp, checksum of these and of the record
_BATCH: Final = 256
_MOST_ACCOUNTS: Final = 64  # in one generation: its end syncs each of them, and nobody may write meanwhile

_LOG: Final = logging.getLogger("nmsd.store")

Replay = Callable[[list[tuple[int, bytes]]], bool]
"""Does what records hold, (stamp, record) each, once more where it is lost; False if not all of it could be done."""


class _Write(Turn):
    """One record on its way to the disk."""

    __slots__ = ("error", "pieces", "size")

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self.pieces = pieces
        self.size = sum(map(len, pieces))
        self.error: BaseException | None = None


class Journal:
    """A process's own.  `size` is how long the file may become, in bytes; `descriptor` is locked and at its start.

    Use: `admit` before the transaction, `write` before its commit, `finished` after it, however it ended.
    """

    def __init__(self, descriptor: int, size: int, runtime: Runtime) -> None:
        self._descriptor = descriptor
        self._size = size
        self._runtime = runtime
        self._group: Group[_Write] = Group(runtime, self._serve, _BATCH)
        self._lock = threading.Lock()  # never held across anything that switches greenlets
        self._generation = _new_generation()
        self._position = 0
        self._reserved = 0
        self._users = 0
        self._full = False
        self._beginning = False
        self._closed = False
        self._accounts: dict[str, Path] = {}

    def admit(self, name: str, path: Path, size: int) -> bool:
        """Whether a record of at most `size` bytes may be written for an account; if so, `finished` must follow.
        Blocks while a full file that nobody else uses is begun anew."""
        with self._lock:
            if self._reserve(name, path, size):
                return True
            if not self._may_begin_anew():
                return False
        Job(self._begin_anew).run(self._runtime, self._runtime.finish)
        with self._lock:
            return self._reserve(name, path, size)

    def _reserve(self, name: str, path: Path, size: int) -> bool:
        size += _HEADER.size
        if self._closed or self._full or (name not in self._accounts and len(self._accounts) >= _MOST_ACCOUNTS):
            return False
        if self._position + self._reserved + size > self._size:
            self._full = size <= self._size
            return False
        self._accounts[name] = path
        self._reserved += size
        self._users += 1
        return True

    def _may_begin_anew(self) -> bool:
        if self._closed or not self._full or self._users or self._beginning:
            return False
        self._beginning = True
        return True

    def write(self, pieces: Sequence[bytes]) -> None:
        """Blocks until the record is on the disk.  Raises OSError."""
        turn = _Write(pieces)
        self._group.run(turn)
        if turn.error is not None:
            raise turn.error

    def finished(self, size: int) -> None:
        """Ends what `admit` began.  The last one out of a full file begins it anew; blocks."""
        with self._lock:
            self._reserved -= size + _HEADER.size
            self._users -= 1
            if not self._may_begin_anew():
                return
        Job(self._begin_anew).run(self._runtime, self._runtime.finish)

    def synced(self, name: str) -> None:
        """An account's WAL was synced by a commit: its records are not needed any more."""
        self._accounts.pop(name, None)

    def close(self) -> None:
        """Admits nobody any more, and leaves an empty file behind; one with records while somebody is still at it, and
        then the descriptor stays open, for another file may get its number.  Blocks."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._users or self._beginning:
                return
        self._begin_anew()
        with suppress(OSError):
            if not self._full:
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _serve(self, batch: list[_Write]) -> None:
        def flush() -> None:
            try:
                self._flush(batch)
            except OSError as error:
                for turn in batch:
                    turn.error = error

        Job(flush).run(self._runtime, self._runtime.finish)

    def _flush(self, batch: list[_Write]) -> None:
        stamp = time.monotonic_ns()  # the same for all processes, and it never goes back
        pieces: list[bytes] = []
        length = 0
        for number, turn in enumerate(batch):
            pieces.append(_head(self._generation, stamp + number, turn.pieces, turn.size))
            pieces += turn.pieces
            length += _HEADER.size + turn.size
        _write_all(self._descriptor, pieces, self._position)
        os.fdatasync(self._descriptor)
        self._position += length

    def _begin_anew(self) -> None:
        """Makes the records worthless; the next overwrite them from the start."""
        try:
            for path in list(self._accounts.values()):
                sync_wal(path)
            with self._lock:
                self._accounts.clear()
                self._generation = _new_generation()
                self._position = 0
                self._full = False
        except OSError as error:
            self._full = True
            _LOG.error("what the journal protects cannot be written to the disk, the journal stays full: %s", error)
        finally:
            self._beginning = False


def open_journal(root: Path, size: int, runtime: Runtime, replay: Replay) -> Journal:
    """A journal in the store's directory, after those of dead processes are replayed.  Blocks.  Raises OSError."""
    directory = root / DIRECTORY
    make_directory(directory)
    with _alone(directory):
        dead = _replay_dead(directory, replay)
        number = 0
        while not dead:
            descriptor = _take(directory / str(number), os.O_CREAT)
            dead += [] if descriptor is None else [descriptor]
            number += 1
        for spare in dead[1:]:
            os.close(spare)
        sync_directory(directory)
    return Journal(dead[0], size, runtime)


def replay_journals(root: Path, replay: Replay) -> None:
    """Has `replay` do what journals of dead processes hold.  Blocks.  Raises OSError."""
    directory = root / DIRECTORY
    if not directory.is_dir():
        return
    with _alone(directory):
        for descriptor in _replay_dead(directory, replay):
            os.close(descriptor)


def sync_wal(path: Path) -> None:
    """Puts all that was committed to a database onto the disk.  Raises OSError."""
    try:
        # SQLite's locks are on other files: closing this one gives none away.
        descriptor = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # whoever closed the database last has moved it into the file and synced it
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """What counts in a journal: (stamp, record) in the order of writing."""
    first = None
    at = 0
    while at + _HEADER.size <= len(data):
        magic, length, generation, stamp, checksum = _HEADER.unpack_from(data, at)
        start = at + _HEADER.size
        at = start + length
        record = data[start:at]
        if magic != _MAGIC or len(record) != length or (first is not None and generation != first):
            return
        if _checksum(length, generation, stamp, [record]) != checksum:
            return
        first = generation
        yield stamp, record


def _replay_dead(directory: Path, replay: Replay) -> list[int]:
    """Replays all journals without an owner together, and empties them; gives them, open and locked."""
    taken = {}
    for path in sorted(directory.iterdir()):
        if path.name.isdigit():
            descriptor = _take(path)
            if descriptor is not None:
                taken[path] = descriptor
    found = [record for descriptor in taken.values() for record in records(_content(descriptor))]
    if found and not replay(found):
        for path, descriptor in taken.items():
            kept = path.with_name(f"kept-{time.time_ns()}")
            path.rename(kept)
            os.close(descriptor)
            _LOG.error("what could not be restored is kept in %s", kept)
        return []
    for descriptor in taken.values():
        os.ftruncate(descriptor, 0)
    return list(taken.values())


def _take(path: Path, flags: int = 0) -> int | None:
    """A journal's descriptor, locked; None if it has an owner."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _content(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _head(generation: int, stamp: int, pieces: Sequence[bytes], size: int) -> bytes:
    return _HEADER.pack(_MAGIC, size, generation, stamp, _checksum(size, generation, stamp, pieces))


def _checksum(length: int, generation: int, stamp: int, pieces: Sequence[bytes]) -> int:
    value = crc32(struct.pack("<IQQ", length, generation, stamp))
    for piece in pieces:
        value = crc32(piece, value)
    return value


def _new_generation() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _write_all(descriptor: int, pieces: list[Any], position: int) -> None:
    data = b"".join(pieces)
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view = view[written:]
        position += written
