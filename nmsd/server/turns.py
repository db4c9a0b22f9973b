"""Giving the event loop a turn from within a greenlet that has more to do.

gevent.sleep(0) is not enough: its callbacks run again before sockets are looked at (measured: two greenlets that sleep
so after every 5 ms kept a ready socket waiting for 200 ms).  A timer of no length comes after the sockets.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from gevent.hub import get_hub
from greenlet import getcurrent

SLICE_S: Final = 0.005  # how long the loop may go without a look at its sockets before greenlets should give way


class Turns:
    """The greenlets that wait for their next slice, in order."""

    def __init__(self) -> None:
        self._hub: Any = get_hub()
        self._loop: Any = self._hub.loop
        self._timer: Any = self._loop.timer(0)
        self._waiting: deque[Any] = deque()

    def due(self) -> bool:
        """Whether all that ran since the loop last looked at its sockets has taken a slice's time."""
        # The loop's own clock stands still while callbacks and greenlets run, whichever they are.
        return bool(time.time() - self._loop.now() > SLICE_S)

    def take(self) -> None:
        """Lets the sockets that are ready, and greenlets that asked before, go first.  In a greenlet only."""
        me = getcurrent()
        self._waiting.append(me)
        if not self._timer.active:
            self._timer.start(self._resume, update=False)
        try:
            self._hub.switch()
        except BaseException:
            if me in self._waiting:  # thrown into while it waited
                self._waiting.remove(me)
            raise

    def _resume(self) -> None:
        # Those that ask for another turn meanwhile queue behind, for the next time.
        for _ in range(len(self._waiting)):
            if not self._waiting:
                break
            self._waiting.popleft().switch()
            if self.due():
                break
        if self._waiting:
            self._timer.start(self._resume, update=False)
