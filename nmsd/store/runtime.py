"""The plain Runtime: for tools and tests, where nobody else waits for this thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class PlainRuntime:
    """Work runs at once in the caller's thread; signals are threading's events.  Any number of threads may share it."""

    def offload(self, work: Callable[[], T]) -> T:
        """Runs `work` at once."""
        return work()

    def finish(self, work: Callable[[], T]) -> T:
        """Runs `work` at once."""
        return self.offload(work)

    def signal(self) -> threading.Event:
        """A new Event."""
        return threading.Event()


def unheard(account: str, mailbox_id: int, modseq: int) -> None:
    """An Announce for tools whose changes nobody in this process listens for."""
