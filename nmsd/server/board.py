"""The board: shared memory of all workers of an instance, in a file (INSTANCE/run/board).

It holds a row for each worker, a stamp for each hash of an account, the counts of failed logins, and for each worker
which accounts it watches and how many sessions each user and each address has in it.  Everything on it may be lost: it
says nothing about mail.

Invariants: a worker writes only its own row; a row is claimed and freed under a lock on the file; all other cells are
single aligned words, written whole, and every reader can bear an old value.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from zlib import crc32

WORKERS: Final = 256  # rows; 64 processes for each of three services, and as many draining ones
ACCOUNTS: Final = 1 << 16  # hashes of accounts
THROTTLES: Final = 1 << 13  # entries of failed logins, two words each

_HEADER: Final = 4096
_SECRET: Final = slice(16, 32)
_ROW: Final = 64
_STAMPS_AT: Final = _HEADER + WORKERS * _ROW
_THROTTLES_AT: Final = _STAMPS_AT + ACCOUNTS * 8
_WATCHES_AT: Final = 1 << 20
CROWD: Final = 1 << 14  # hashes of users, and as many of addresses, whose sessions each worker counts
_CROWDS_AT: Final = _WATCHES_AT + WORKERS * ACCOUNTS
_CROWD_BYTES: Final = 2 * CROWD * 2  # two tables of words of two bytes
SIZE: Final = _CROWDS_AT + WORKERS * _CROWD_BYTES  # sparse: only what is used takes memory

USERS: Final = 0
ADDRESSES: Final = 1
"""The two tables of counts."""

# Words of a row.
_PID, _SERVICE, _INDEX, _STATE, _SESSIONS, _MAX_SESSIONS, _BEAT = range(7)

STARTING: Final = 0
READY: Final = 1
DRAINING: Final = 2

_FRESH_S: Final = 5  # a row that was not written for so long tells nothing about room
_DEAD_S: Final = 300  # nor is its worker alive, even if some process has its number

assert _THROTTLES_AT + THROTTLES * 16 <= _WATCHES_AT


@dataclass(frozen=True)
class Row:
    """What the board says of one worker.  `beat` is in seconds of the system's monotonic clock."""

    number: int
    pid: int
    service: str
    index: int
    state: int
    sessions: int
    max_sessions: int
    beat: int


def account_slot(account: str) -> int:
    """The hash of an account; accounts may share one."""
    return crc32(account.encode("utf-8", "surrogateescape")) & (ACCOUNTS - 1)


def crowd_slot(name: str) -> int:
    """The hash of a user or address in the tables of counts; several may share one."""
    return crc32(name.encode("utf-8", "surrogateescape")) & (CROWD - 1)


def _word(name: str) -> int:
    return int.from_bytes(name.encode()[:8], "little")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Board:
    """The board, mapped.  Makes the file if it is not there; raises OSError if it cannot or the disk is full."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self._locked():
            if os.fstat(self._fd).st_size < SIZE:
                os.ftruncate(self._fd, SIZE)
            # Writing to a hole of the file when the disk has become full would be a bus error.
            os.posix_fallocate(self._fd, 0, _WATCHES_AT)
        self._map = mmap.mmap(self._fd, SIZE)
        whole = memoryview(self._map)
        self._words = whole[:_STAMPS_AT].cast("Q")
        self.stamps = whole[_STAMPS_AT:_THROTTLES_AT].cast("Q")
        self.throttles = whole[_THROTTLES_AT : _THROTTLES_AT + THROTTLES * 16].cast("Q")
        self._watches = whole[_WATCHES_AT:_CROWDS_AT]
        self._crowds = whole[_CROWDS_AT:].cast("H")
        self._number = -1
        with self._locked():
            if not any(self._map[_SECRET]):
                self._map[_SECRET] = os.urandom(16)

    @property
    def number(self) -> int:
        """The row this process has claimed, -1 before."""
        return self._number

    @property
    def generation(self) -> int:
        """A number that changes whenever a worker comes or goes."""
        return self._words[0]

    @property
    def secret(self) -> bytes:
        """A key that only the workers know, the same for all of them."""
        return self._map[_SECRET]

    def claim(self, service: str, index: int) -> None:
        """Takes a free row for this process, and frees those of dead ones.  Raises RuntimeError if there is none.

        A worker that died without freeing its row may have committed a change and not told of it, so then every stamp
        is made new.
        """
        with self._locked():
            me = os.getpid()
            free = -1
            for number in range(WORKERS):
                pid = self._cell(number, _PID)
                if pid and (pid == me or not self._lives(number)):
                    self._clear(number)
                    self._renew_stamps()
                    pid = 0
                if not pid and free < 0:
                    free = number
            if free < 0:
                raise RuntimeError("too many workers for the board")
            os.posix_fallocate(self._fd, _WATCHES_AT + free * ACCOUNTS, ACCOUNTS)
            os.posix_fallocate(self._fd, _CROWDS_AT + free * _CROWD_BYTES, _CROWD_BYTES)
            self._number = free
            self._set(_SERVICE, _word(service))
            self._set(_INDEX, index)
            self._set(_STATE, STARTING)
            self.beat(0, 0, STARTING)
            self._set(_PID, me)
            self._words[0] += 1

    def release(self) -> None:
        """Frees the row."""
        if self._number >= 0:
            with self._locked():
                self._clear(self._number)
                self._number = -1
                self._words[0] += 1

    def beat(self, sessions: int, max_sessions: int, state: int) -> None:
        """Writes what others should know of this worker; to be called every second or so."""
        self._set(_SESSIONS, sessions)
        self._set(_MAX_SESSIONS, max_sessions)
        self._set(_STATE, state)
        self._set(_BEAT, int(time.monotonic()))

    def rows(self) -> list[Row]:
        """All workers' rows."""
        return [self._row(number) for number in range(WORKERS) if self._cell(number, _PID)]

    def siblings(self, service: str) -> list[Row]:
        """The other workers of a service that take sessions and wrote their row lately."""
        now = int(time.monotonic())
        return [
            row
            for row in self.rows()
            if row.service == service
            and row.number != self._number
            and row.state == READY
            and 0 <= now - row.beat <= _FRESH_S
        ]

    def workers(self, service: str) -> list[Row]:
        """All workers of a service, this one too, whatever they do."""
        return [row for row in self.rows() if row.service == service]

    def count(self, table: int, slot: int, change: int) -> None:
        """Counts sessions of this worker: of users or of addresses with this hash."""
        at = (self._number * 2 + table) * CROWD + slot
        count = self._crowds[at] + change
        if 0 <= count <= 0xFFFF:
            self._crowds[at] = count

    def counted(self, number: int, table: int, slot: int) -> int:
        """How many sessions the worker of this row has counted."""
        return self._crowds[(number * 2 + table) * CROWD + slot]

    def is_watched(self, number: int, slot: int) -> bool:
        """Whether the worker of this row watches an account with this hash."""
        return self._watches[number * ACCOUNTS + slot] != 0

    def watch(self, slot: int, watched: bool) -> None:
        """Says whether this worker watches the hash."""
        self._watches[self._number * ACCOUNTS + slot] = 1 if watched else 0

    def mark(self, number: int, slot: int) -> None:
        """Tells the worker of this row that an account with this hash has changed."""
        self._watches[number * ACCOUNTS + slot] = 2

    def take_marks(self) -> Iterator[int]:
        """The hashes that others have marked for this worker; each once."""
        start = _WATCHES_AT + self._number * ACCOUNTS
        end = start + ACCOUNTS
        at = self._map.find(b"\2", start, end)
        while at >= 0:
            self._watches[at - _WATCHES_AT] = 1
            yield at - start
            at = self._map.find(b"\2", at + 1, end)

    def close(self) -> None:
        """Frees the row and lets the file go."""
        self.release()
        os.close(self._fd)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _cell(self, number: int, word: int) -> int:
        return self._words[(_HEADER + number * _ROW) // 8 + word]

    def _set(self, word: int, value: int) -> None:
        self._words[(_HEADER + self._number * _ROW) // 8 + word] = value

    def _row(self, number: int) -> Row:
        name = self._cell(number, _SERVICE).to_bytes(8, "little").rstrip(b"\0").decode("ascii", "replace")
        pid, index, state, sessions, most, beat = (
            self._cell(number, word) for word in (_PID, _INDEX, _STATE, _SESSIONS, _MAX_SESSIONS, _BEAT)
        )
        return Row(number, pid, name, index, state, sessions, most, beat)

    def _lives(self, number: int) -> bool:
        row = self._row(number)
        return _is_alive(row.pid) and 0 <= int(time.monotonic()) - row.beat <= _DEAD_S

    def _clear(self, number: int) -> None:
        first = (_HEADER + number * _ROW) // 8
        for word in range(first, first + _ROW // 8):
            self._words[word] = 0
        self._watches[number * ACCOUNTS : (number + 1) * ACCOUNTS] = bytes(ACCOUNTS)
        first = number * 2 * CROWD
        self._crowds[first : first + 2 * CROWD] = memoryview(bytes(_CROWD_BYTES)).cast("H")

    def _renew_stamps(self) -> None:
        self._map[_STAMPS_AT:_THROTTLES_AT] = os.urandom(ACCOUNTS * 8)
