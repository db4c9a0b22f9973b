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
        self._era = 0
        self.is_open = False

    def attempt(self) -> int | None:
        """Lets the caller ask the server: gives a number to tell the outcome with, or None if it may not.  When it is
        time for another attempt, one caller may, and the time for the next begins: a caller that vanishes leaves
        nothing behind."""
        if not self.is_open:
            return self._era
        now = self._clock()
        if now < self._again:
            return None
        self._again = now + self._retry()
        return self._era

    def succeeded(self, attempt: int) -> bool:
        """The server answered.  Whether it was taken for down until now.  An attempt that was begun before it was says
        nothing of it as it is."""
        if attempt != self._era:
            return False
        self._failures = 0
        was_open, self.is_open = self.is_open, False
        return was_open

    def failed(self, attempt: int, at_once: bool) -> bool:
        """The server did not answer; `at_once` unless it merely took too long.  Whether it is taken for down now, and
        was not before."""
        if attempt != self._era or self.is_open:
            return False
        self._failures += 1
        if not at_once and self._failures < self._most():
            return False
        self.is_open = True
        self._era += 1
        self._again = self._clock() + self._retry()
        return True
