"""The circuit breaker: whether a server is worth asking.

Closed while it answers; open for some seconds once it does not, so that nobody waits for it; then half open: one
caller tries it, and the others wait for its verdict elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """One server's.  `retry` and `failures` give the settings in force: seconds, and time-outs in a row; `clock` gives
    seconds that only go forward."""

    def __init__(self, retry: Callable[[], float], failures: Callable[[], int], clock: Callable[[], float]) -> None:
        self._retry = retry
        self._most = failures
        self._clock = clock
        self._failures = 0
        self._again = 0.0
        self.is_open = False

    def may_try(self) -> bool:
        """Whether the caller may ask the server.  When it is time for another attempt, one caller may, and the time for
        the next begins: a caller that vanishes leaves nothing behind."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._again:
            return False
        self._again = now + self._retry()
        return True

    def succeeded(self) -> bool:
        """The server answered.  Whether it was taken for down until now."""
        self._failures = 0
        was_open, self.is_open = self.is_open, False
        return was_open

    def failed(self, at_once: bool) -> bool:
        """The server did not answer; `at_once` unless it merely took too long.  Whether it is taken for down now, and
        was not before."""
        self._failures += 1
        if self.is_open:
            return False
        if not at_once and self._failures < self._most():
            return False
        self.is_open = True
        self._again = self._clock() + self._retry()
        return True
