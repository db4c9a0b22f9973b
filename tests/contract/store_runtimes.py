"""Runtimes for tests: one that stops where a test wants it to, and one for greenlets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from gevent.event import Event
from gevent.threadpool import ThreadPool

T = TypeVar("T")


class GreenletRuntime:
    """Work goes to native threads while the greenlet waits; nothing is patched."""

    def __init__(self) -> None:
        self._pool: Any = ThreadPool(8)

    def offload(self, work: Callable[[], T]) -> T:
        def outcome() -> tuple[T | None, BaseException | None]:
            try:
                return work(), None
            except BaseException as error:
                return None, error

        result, error = self._pool.apply(outcome)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def finish(self, work: Callable[[], T]) -> T:
        return self.offload(work)

    def signal(self) -> Event:
        return Event()


class GatedRuntime:
    """A plain runtime for threads whose native work waits at a gate as long as it is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)
        self.queued = threading.Semaphore(0)

    def offload(self, work: Callable[[], T]) -> T:
        self.waiting.release()
        self.gate.wait()
        return work()

    def finish(self, work: Callable[[], T]) -> T:
        return self.offload(work)

    def signal(self) -> threading.Event:
        self.queued.release()
        return threading.Event()
