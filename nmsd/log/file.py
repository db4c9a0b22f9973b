"""A log's file: appended to by many processes and threads, renamed when it is full or old, its predecessors deleted in
time.

NAME is the present file, NAME.1 the one before it, and so on; the time on NAME.lock is when NAME was begun.

Invariants: a line is one write to a descriptor opened for appending, so that no line is torn, whoever shares the file;
nobody waits for anybody: there is no lock in the process, a file is closed by whoever lets go of it last, and of
several that want to rename a file the first does while the others go on with the one they have.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Final

from nmsd.log.settings import Limits

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def _open_to_write(path: str, flags: int = 0) -> int:
    fd = os.open(path, _FLAGS | flags, 0o600)
    if os.geteuid() == 0:
        # Processes that run as the server's user write here, too.
        folder = os.stat(os.path.dirname(path))
        os.fchown(fd, folder.st_uid, folder.st_gid)
    return fd


class _Open:
    """An open file: a thread that writes to it holds it, so that no other takes its descriptor away."""

    __slots__ = ("fd", "inode", "size")

    def __init__(self, path: str) -> None:
        self.fd = _open_to_write(path, os.O_APPEND)
        status = os.fstat(self.fd)
        self.inode = status.st_ino
        self.size = status.st_size  # when it was opened

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "fd"):
            close(self.fd)


class LogFile:
    """The file NAME.  `limits` gives the settings in force, `clock` seconds since the epoch, `free` the bytes free on a
    file's disk."""

    def __init__(
        self, path: str, limits: Callable[[], Limits], clock: Callable[[], float], free: Callable[[str], int]
    ) -> None:
        self._path = path
        self._limits = limits
        self._clock = clock
        self._free = free
        self._open: _Open | None = None
        self._begun = 0.0

    def write(self, line: bytes) -> None:
        """Appends a line.  Raises OSError."""
        file = self._current(len(line))
        os.write(file.fd, line)

    def reopen(self) -> None:
        """Lets go of the file; the next line opens the one that has the name then."""
        self._open = None

    def _current(self, coming: int) -> _Open:
        """The file that has the name, with room for a line of this length."""
        file = self._open
        size = 0
        if file is not None:
            try:
                there = os.stat(self._path)
                size = there.st_size
                if there.st_ino != file.inode:
                    file = None
            except FileNotFoundError:
                file = None
        if file is None:
            file = self._open_new()
            size = file.size
        if size and self._is_over(size + coming) and self._rotate(coming):
            file = self._open_new()
        return file

    def _open_new(self) -> _Open:
        file = _Open(self._path)
        lock = _open_to_write(self._path + ".lock")
        try:
            if not file.size:
                self._note_time(lock)
            self._begun = os.fstat(lock).st_mtime
        finally:
            os.close(lock)
        self._open = file
        return file

    def _is_over(self, size: int) -> bool:
        limits = self._limits()
        if size > limits.max_size:
            return True
        return bool(limits.rollover_s) and self._clock() - self._begun >= limits.rollover_s

    def _rotate(self, coming: int) -> bool:
        """Renames NAME to NAME.1 and so on, and deletes what may not stay; whether NAME is another file now."""
        lock = _open_to_write(self._path + ".lock")
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            try:
                size = os.stat(self._path).st_size
            except FileNotFoundError:
                return True
            self._begun = os.fstat(lock).st_mtime
            if not size or not self._is_over(size + coming):
                return True  # another process has been faster
            self._shift()
            self._delete()
            self._note_time(lock)
            return True
        finally:
            os.close(lock)

    def _note_time(self, lock: int) -> None:
        now = self._clock()
        os.utime(lock, (now, now))

    def _shift(self) -> None:
        most = self._limits().max_files
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, most))]
        for older, newer in zip(reversed(names), reversed(names[:-1])):
            if os.path.exists(newer):
                os.replace(newer, older)
        if most == 1:
            os.unlink(self._path)

    def _delete(self) -> None:
        """Deletes, the oldest first, what is too old, too many or takes too much room."""
        limits = self._limits()
        kept = 0
        for number in _numbers(self._path):
            name = f"{self._path}.{number}"
            status = os.stat(name)
            kept += status.st_size
            too_old = limits.expiry_s and self._clock() - status.st_mtime >= limits.expiry_s
            if number >= limits.max_files or too_old or kept + limits.max_size > limits.max_total:
                os.unlink(name)
        for number in reversed(_numbers(self._path)):
            if self._free(self._path) >= limits.min_free:
                break
            os.unlink(f"{self._path}.{number}")


def _numbers(path: str) -> list[int]:
    """Which NAME.number there are, the newest first."""
    folder, name = os.path.split(path)
    endings = [each[len(name) + 1 :] for each in os.listdir(folder) if each.startswith(name + ".")]
    return sorted(int(ending) for ending in endings if ending.isdecimal() and ending.isascii())


def free_bytes(path: str) -> int:
    """How much room there is on the file's disk for those who are not root."""
    found = os.statvfs(os.path.dirname(path))
    return found.f_bavail * found.f_frsize
