"""Logins that were ended before their time: a copy of the cookie is worth nothing after a logout.

The list is the file INSTANCE/run/logouts, so that the worker that takes over knows it, too.  It holds at most MOST
logins; when it is full the one longest there goes, and so does every session that is older than that one's login:
nobody who has logged out is ever let in again.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

LONGEST_S: Final = 12 * 3600  # after so long an administrator logs in again, however busy
MOST: Final = 10_000


class Logouts:
    """The list of an instance."""

    def __init__(self, instance: str) -> None:
        self._path = os.path.join(instance, "run", "logouts")
        self._stamp = (0, 0, 0)
        self._ended: dict[str, float] = {}
        self._oldest = 0.0

    def has(self, login: str, since: float) -> bool:
        """Whether this login, of that time, was ended."""
        self._refresh()
        return login in self._ended or since <= self._oldest

    def add(self, login: str, since: float, now: float) -> None:
        """Ends a login."""
        self._refresh()
        ended = {each: at for each, at in self._ended.items() if now - at < LONGEST_S}
        ended[login] = since
        oldest = self._oldest
        while len(ended) > MOST:
            first = min(ended, key=ended.__getitem__)
            oldest = max(oldest, ended.pop(first))
        self._write({"oldest": oldest, "ended": ended})

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
            self._ended = {str(login): float(since) for login, since in found["ended"].items()}
            self._oldest = float(found["oldest"])
        except FileNotFoundError:
            self._ended, self._oldest = {}, 0.0
        except (ValueError, KeyError, TypeError, AttributeError):  # nobody wrote that here: who came before it is out
            self._ended, self._oldest = {}, stamp[0] / 1e9
        self._stamp = stamp

    def _write(self, content: dict[str, Any]) -> None:
        temporary = f"{self._path}.{os.getpid()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(content, file)
        os.replace(temporary, self._path)
        self._ended, self._oldest = content["ended"], content["oldest"]
        self._stamp = _stamp(self._path)


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
