"""What watchers of the server want to know of writes: how long they take, and how many there are at the moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from nmsd.store.sqlite.commit import CommitQueue
    from nmsd.store.sqlite.transaction import Transaction

T = TypeVar("T")


class Meter:
    """One store's.  `committed` is told how many seconds each write took, from when it was asked for until it was on
    the disk or had failed."""

    def __init__(self, committed: Callable[[float], None]) -> None:
        self.committed = committed
        self.unfinished = 0


class MeteredQueue:
    """A commit queue with every write metered."""

    __slots__ = ("_meter", "_queue")

    def __init__(self, queue: CommitQueue, meter: Meter) -> None:
        self._queue = queue
        self._meter = meter

    def run(self, operation: Callable[[Transaction], T], *more: Any) -> T:
        """As the queue's own."""
        meter = self._meter
        meter.unfinished += 1
        begun = time.monotonic()
        try:
            return self._queue.run(operation, *more)
        finally:
            meter.unfinished -= 1
            meter.committed(time.monotonic() - begun)
