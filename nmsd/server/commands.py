"""The pool of the greenlets that carry out sessions' commands.

Invariants: a greenlet serves one piece of work after the other; its attribute `work` is what it is to do, `doing` what
it does.  An exception out of the work reaches the log, not the greenlet's end and not the hub.
"""

from __future__ import annotations

import traceback
from collections import deque
from typing import Any, Final, Protocol

from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

from nmsd.wire.protocol import Log

SPARE: Final = 32  # idle greenlets kept; more than these end, so that a burst's stacks do not stay for ever


class Work(Protocol):
    """Something to be done in a greenlet; `has_slot` is the pool's note that it holds one of the slots."""

    has_slot: bool

    def run(self) -> None:
        """Does it; may block its greenlet."""


def present_work() -> Work | None:
    """The work that the running greenlet does, if it is a pool's."""
    return getattr(getcurrent(), "doing", None)


class CommandPool:
    """Greenlets for work, and `size` slots for work that may block: what comes when all slots are taken waits its turn,
    first come first served."""

    def __init__(self, size: int, log: Log) -> None:
        self.size = size
        self.busy = 0
        self._log = log
        self._hub: Any = get_hub()
        self._free: list[Any] = []
        self._queue: deque[Work] = deque()

    def start(self, work: Work) -> None:
        """Has the work done in a greenlet: at once, if called in the hub, else soon."""
        hand: Any = self._free.pop() if self._free else greenlet(self._live, self._hub)
        hand.work = work
        if getcurrent() is self._hub:
            hand.switch()
        else:
            self._hub.loop.run_callback(hand.switch)

    def submit(self, work: Work, first: bool = False) -> None:
        """Has the work done as soon as there is a slot for it; with `first` before all others that wait."""
        if self.take_slot(work):
            self.start(work)
        elif first:
            self._queue.appendleft(work)
        else:
            self._queue.append(work)

    def take_slot(self, work: Work, force: bool = False) -> bool:
        """Gives the work a slot, if there is one or it must have one; whether it holds one now."""
        if not work.has_slot and (force or self.busy < self.size):
            work.has_slot = True
            self.busy += 1
        return work.has_slot

    def give_slot(self, work: Work) -> None:
        """Takes the work's slot back, if it holds one, and has the next do its work that waits for one."""
        if work.has_slot:
            work.has_slot = False
            self.busy -= 1
            self._fill()

    def crowded(self) -> bool:
        """Whether work is waiting for a slot."""
        return bool(self._queue)

    def waiting(self) -> int:
        """How much work is waiting."""
        return len(self._queue)

    def cancel(self, work: Work) -> bool:
        """Takes back work that is still waiting; False if it is not."""
        try:
            self._queue.remove(work)
        except ValueError:
            return False
        return True

    def resize(self, size: int) -> None:
        """Takes a new size; what is being done goes on."""
        self.size = size
        self._fill()

    def _fill(self) -> None:
        while self._queue and self.busy < self.size:
            self.submit(self._queue.popleft())

    def _live(self) -> None:
        hand: Any = getcurrent()
        hub, switch = self._hub, greenlet.switch  # the plain switch: the hub's own looks for hooks that we have not
        while True:
            work, hand.work = hand.work, None
            if work is not None:
                hand.doing = work
                try:
                    work.run()
                except BaseException:
                    self._log("Error", "General", "work in a greenlet failed", trace=traceback.format_exc())
                hand.doing = work = None  # what is over is not kept in memory
                if len(self._free) >= SPARE:
                    return
                self._free.append(hand)
            # Whatever wakes it without work (a stray kill or switch) finds nothing to hit.
            try:
                switch(hub)
            except BaseException:
                self._log("Warning", "General", "an idle greenlet was thrown into", trace=traceback.format_exc())
