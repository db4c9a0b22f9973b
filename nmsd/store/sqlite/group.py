"""Group commit: those who ask at the same time are served together.

All wait in one queue, in order.  The first leads: it takes the queue as a batch, has it served, wakes the others of the
batch, and hands the lead to the first of those who queued meanwhile.  Nobody serves the others for ever, and nobody
overtakes.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from nmsd.store.api import Runtime, Signal

_LOG: Final = logging.getLogger("nmsd.store")


class Turn:
    """One who waits in the queue; what is to be done for him, and how it ended, is for subclasses."""

    __slots__ = ("done", "leads", "signal")

    def __init__(self) -> None:
        self.signal: Signal | None = None
        self.leads = False
        self.done = False


TurnT = TypeVar("TurnT", bound=Turn)


class Group(Generic[TurnT]):
    """`serve` gets each batch, of at most `most`.  It leaves outcomes in the turns; what it raises is the leader's.

    Invariants: one batch at a time; a turn ends only after `serve` did; a caller that is killed while it waits neither
    loses the lead for the others nor has his turn served if it was not begun.
    """

    def __init__(self, runtime: Runtime, serve: Callable[[list[TurnT]], None], most: int) -> None:
        self._runtime = runtime
        self._serve = serve
        self._most = most
        self._lock = threading.Lock()  # never held across anything that switches greenlets
        self._waiting: deque[TurnT] = deque()
        self._busy = False

    def run(self, turn: TurnT) -> None:
        """Blocks until the turn was served."""
        with self._lock:
            self._waiting.append(turn)
            if self._busy:
                turn.signal = self._runtime.signal()
            else:
                self._busy = turn.leads = True
        if turn.signal is not None:
            try:
                turn.signal.wait()
            except BaseException:
                self._leave(turn)
                raise
        if not turn.done:
            self._lead()

    def _leave(self, turn: TurnT) -> None:
        """The caller was killed: takes its turn back if it was not begun, and passes on the lead if it had it."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn.leads and not turn.done:
                self._pass_lead()

    def _pass_lead(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        following = self._waiting[0]
        following.leads = True
        if following.signal is not None:
            following.signal.set()

    def _lead(self) -> None:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
        try:
            self._serve(batch)
        finally:
            for turn in batch:
                turn.done = True
            with self._lock:
                self._pass_lead()
            for turn in batch:
                if turn.signal is not None and not turn.leads:
                    turn.signal.set()


class Job:
    """Work for a native thread that must have ended before anyone goes on, even if its caller is killed meanwhile."""

    __slots__ = ("_ended", "_signal", "_work")

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._ended = False
        self._signal: Signal | None = None

    def run(self, runtime: Runtime, offload: Callable[[Callable[[], None]], Any]) -> None:
        """Offloads the work.  What is raised at the caller meanwhile (a kill, a time-out) is raised when it ended."""
        try:
            offload(self._execute)
        finally:
            self._join(runtime)

    def _execute(self) -> None:
        try:
            self._work()
        finally:
            # First the mark, then the look at the signal; _join does the reverse, so one of the two sees the other.
            self._ended = True
            if self._signal is not None:
                self._signal.set()

    def _join(self, runtime: Runtime) -> None:
        if self._ended:
            return
        self._signal = runtime.signal()
        while not self._ended:
            try:
                self._signal.wait()
            except BaseException:
                _LOG.warning("a commit was interrupted again; still waiting for it")
