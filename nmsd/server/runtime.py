"""How the store and the directory wait in a worker: gevent's native threads, gevent's events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.event import Event
from gevent.hub import get_hub
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

T = TypeVar("T")

_native_ident: Callable[[], int] = get_original("_thread", "get_ident")


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    # gevent prints what is raised in its threads, though the caller gets it.
    try:
        return work(), None
    except BaseException as error:
        return None, error


class Wakeup:
    """A signal that a greenlet waits for and that any thread may give."""

    __slots__ = ("_event", "_loop", "_thread")

    def __init__(self, loop: Any, thread: int) -> None:
        self._event = Event()
        self._loop = loop
        self._thread = thread

    def set(self) -> None:
        """Lets the one who waits go on."""
        if _native_ident() == self._thread:
            self._event.set()
        else:
            self._loop.run_callback_threadsafe(self._event.set)

    def wait(self) -> Any:
        """Blocks the greenlet until it is set; does not block if it is."""
        return self._event.wait()


class GeventRuntime:
    """store.api.Runtime in a worker: work is offloaded to at most `threads` native threads."""

    def __init__(self, threads: int) -> None:
        self._hub: Any = get_hub()
        self._thread = _native_ident()
        self._pool: Any = ThreadPool(threads, hub=self._hub)

    def offload(self, work: Callable[[], T]) -> T:
        """Runs `work` in a native thread while the greenlet waits; at once, where a native thread asks for it."""
        if _native_ident() != self._thread:
            return work()
        result, error = self._pool.apply(_outcome, (work,))
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def signal(self) -> Wakeup:
        """A new signal.  To be asked for in the thread that will wait."""
        return Wakeup(self._hub.loop, self._thread)

    def busy(self) -> int:
        """How many native threads are at work."""
        return len(self._pool)

    def close(self) -> None:
        """Waits for the threads and ends them."""
        self._pool.join()
        self._pool.kill()
