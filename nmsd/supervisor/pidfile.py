"""The pid file: one supervisor per instance, by a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os

from nmsd.model.errors import NmsdError


class AlreadyRuns(NmsdError):
    """Another supervisor holds the instance."""


class PidFile:
    """INSTANCE/run/nmsd.pid, locked while held.  `was_left` says that the holder before did not end by itself."""

    def __init__(self, instance: str) -> None:
        """Takes it.  Raises AlreadyRuns."""
        self._path = pid_path(instance)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        before = os.read(self._fd, 32).strip()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            holder = before.decode("ascii", "replace") or "unknown"
            text = f"nmsd already runs on {instance} (pid {holder}); `nmsd -I {instance} stop` ends it"
            raise AlreadyRuns(text) from None
        self.was_left = bool(before)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Empties it and lets go; the file stays, for removing it would race with the next holder's lock."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def pid_path(instance: str) -> str:
    """Where an instance's pid file is."""
    return os.path.join(instance, "run", "nmsd.pid")


def running_pid(instance: str) -> int:
    """The pid of the supervisor that holds the instance; 0 if none does."""
    try:
        fd = os.open(pid_path(instance), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 32).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
    return 0
