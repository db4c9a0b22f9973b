"""Children that ended, and how long to wait before the next is started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Final

from nmsd.config.launch import EX_CONFIG

LONGEST_DELAY_S: Final = 30.0
# A worker that served this long had a good start: its end is an accident, and the next is started at once.
CALM_S: Final = 10.0


def ended_children() -> Iterator[tuple[int, int]]:
    """(pid, exit status as subprocess gives it) of every child that ended; as PID 1 that includes adopted ones."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def reason(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return "exited with status 78 (configuration error)" if code == EX_CONFIG else f"exited with status {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"


class Backoff:
    """The wait before a service's next worker: none after a calm time, then 1, 2, 4 … 30 s."""

    def __init__(self) -> None:
        self._delay = 0.0
        self.not_before = 0.0

    def failed(self, now: float, lived: float) -> float:
        """A worker died after `lived` seconds of service; returns the wait."""
        if lived >= CALM_S:
            self._delay = 0.0
            wait = 0.0
        else:
            self._delay = min(max(1.0, self._delay * 2), LONGEST_DELAY_S)
            wait = self._delay
        self.not_before = max(self.not_before, now + wait)
        return wait

    def reset(self) -> None:
        """The administrator asked: start now."""
        self._delay = 0.0
        self.not_before = 0.0
