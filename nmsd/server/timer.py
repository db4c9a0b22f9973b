"""The one coarse timer of a worker: the pump's clock, idle time-outs, heartbeats, and what else is due every second.

It visits every session once in ROUND_S seconds, a share each second, and gives the loop a turn between slices, so that
15,000 sessions cost a few milliseconds a second and never a long pause.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from nmsd.server.pump import Pump
from nmsd.server.session import Session

TICK_S: Final = 1
ROUND_S: Final = 5


class Timer:
    """Ticks every second once started; `tick` may be called by hand."""

    def __init__(self, pump: Pump, duties: Sequence[Callable[[], None]] = ()) -> None:
        self._pump = pump
        self._duties = duties
        self._round: deque[Session] = deque()
        self._share = 0
        self._due = 0
        self._timer: Any = pump.hub.loop.timer(TICK_S, TICK_S)
        self._rest: Any = pump.hub.loop.timer(0, ref=False)

    def start(self) -> None:
        """Begins to tick."""
        self._timer.start(self.tick)

    def stop(self) -> None:
        """Ends."""
        self._timer.stop()
        self._rest.stop()

    def tick(self) -> None:
        """A second has passed."""
        self._pump.now = self._pump.clock()
        for duty in self._duties:
            try:
                duty()
            except Exception:
                self._pump.log("Error", "General", "a periodic duty failed", trace=traceback.format_exc())
        if not self._round:
            self._round.extend(self._pump.sessions.greenlets)
            self._share = -(-len(self._round) * TICK_S // ROUND_S)
        self._due = self._share
        self._visit()

    def _visit(self) -> None:
        now = self._pump.now
        turns = self._pump.turns
        while self._due > 0 and self._round:
            self._due -= 1
            self._round.popleft().visit(now)
            if turns.due():
                self._rest.start(self._visit, update=False)
                return
