"""How the store and the directory wait in a worker: native threads for work, gevent's events for signals.

Not gevent's own pool: whoever waits for a place in it can be killed there, and then the work is never done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from gevent.event import Event
from gevent.hub import Waiter, get_hub
from gevent.monkey import get_original

T = TypeVar("T")

_native_ident: Callable[[], int] = get_original("_thread", "get_ident")
_start_thread: Callable[[Callable[[], None], tuple[()]], int] = get_original("_thread", "start_new_thread")
_new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_new_queue: Callable[[], Any] = get_original("queue", "SimpleQueue")


class _Task:
    """Work in a queue, how it ended, and who waits for it."""

    __slots__ = ("error", "result", "waiter", "work")

    def __init__(self, work: Callable[[], Any], waiter: Any) -> None:
        self.work = work
        self.waiter = waiter
        self.result: Any = None
        self.error: BaseException | None = None


class NativeThreads:
    """At most so many native threads, started as they are needed, that take work in the order it comes in."""

    def __init__(self, hub: Any, most: int) -> None:
        self.most = most
        self._hub = hub
        self._queue = _new_queue()
        self._done: deque[Any] = deque()
        self._wake = hub.loop.async_()  # started while there is work, so that the hub then has something to wait for
        self._ended: list[Any] = []  # for each thread, a lock that it holds
        self._unfinished = 0  # by the hub's thread alone, as what follows it

    def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread while the greenlet waits.  It is done even if the greenlet is killed meanwhile."""
        waiter = Waiter(self._hub)
        task = _Task(work, waiter)
        if self._unfinished >= len(self._ended) < self.most:
            self._start()
        if not self._wake.active:
            self._wake.start(self._deliver)
        self._unfinished += 1
        self._queue.put(task)
        waiter.get()
        if task.error is not None:
            raise task.error
        result: T = task.result
        return result

    def _start(self) -> None:
        ended = _new_lock()
        ended.acquire()
        self._ended.append(ended)
        _start_thread(lambda: self._work(ended), ())

    def _work(self, ended: Any) -> None:
        try:
            while (task := self._queue.get()) is not None:
                try:
                    task.result = task.work()
                except BaseException as error:
                    task.error = error
                self._done.append(task.waiter)
                self._wake.send()
                del task  # a thread that waits keeps no message in memory
        finally:
            ended.release()

    def _deliver(self) -> None:
        while self._done:
            self._unfinished -= 1
            self._done.popleft().switch(None)
        if not self._unfinished:
            self._wake.stop()

    def unfinished(self) -> int:
        """How much work is being done or queued."""
        return self._unfinished

    def close(self) -> None:
        """Lets the threads do what is queued, and waits until they have ended."""
        for _ in self._ended:
            self._queue.put(None)
        for ended in self._ended:
            ended.acquire()
        self._ended = []
        self._wake.close()


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
    """store.api.Runtime in a worker: work is offloaded to at most `threads` native threads, and as many finish it."""

    def __init__(self, threads: int) -> None:
        hub: Any = get_hub()
        self._hub = hub
        self._thread = _native_ident()
        self._threads = NativeThreads(hub, threads)
        self._finishers = NativeThreads(hub, threads)

    def offload(self, work: Callable[[], T]) -> T:
        """Runs `work` in a native thread while the greenlet waits; at once, where a native thread asks for it."""
        if _native_ident() != self._thread:
            return work()
        return self._threads.run(work)

    def finish(self, work: Callable[[], T]) -> T:
        """The same with threads of its own: what ends soon by itself never queues behind what waits for others."""
        if _native_ident() != self._thread:
            return work()
        return self._finishers.run(work)

    def signal(self) -> Wakeup:
        """A new signal.  To be asked for in the thread that will wait."""
        return Wakeup(self._hub.loop, self._thread)

    @property
    def threads(self) -> int:
        """Most native threads for each kind of work."""
        return self._threads.most

    def unfinished(self) -> dict[str, int]:
        """How much work is being done or queued: that of `offload` as "work", that of `finish` as "commit"."""
        return {"work": self._threads.unfinished(), "commit": self._finishers.unfinished()}

    def close(self) -> None:
        """Waits for the threads and ends them."""
        self._threads.close()
        self._finishers.close()
