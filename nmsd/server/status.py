"""What a worker tells the supervisor, and how it learns that the supervisor is gone (config.launch has the format)."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from typing import Any, Final

import psutil
from gevent.hub import get_hub

QUIET_S: Final = 10  # a line comes at least so often
_COUNTERS: Final = ("state", "sessions", "max_sessions", "threads", "max_threads", "rejected", "logins")


class StatusPipe:
    """The worker's end.  `on_gone` is called once, in the hub, when the other end is closed."""

    def __init__(self, fd: int, clock: Callable[[], float], on_gone: Callable[[], None]) -> None:
        self._fd = fd
        self._clock = clock
        self._on_gone = on_gone
        self._told: tuple[Any, ...] = ()
        self._told_at = float("-inf")
        self._rest = b""
        self._descriptors = 0
        os.set_blocking(fd, False)
        # The end of the other side shows as readable on a socket and as an error, reported so too, on a pipe.
        self._watcher: Any = get_hub().loop.io(fd, 1, ref=False)
        self._watcher.start(self._on_event)

    def tell(self, facts: dict[str, Any]) -> None:
        """Writes a line, if something in it changed that changes by the moment, or nothing was written for long."""
        key = tuple(facts.get(name) for name in _COUNTERS)
        now = self._clock()
        late = now - self._told_at >= QUIET_S
        if key == self._told and not late:
            return
        if self._rest:
            self._send()
            if self._rest:
                return  # the reader is slow; a newer line will do as well
        if late:
            self._descriptors = _PROCESS.num_fds()  # too dear for every second: it lists them all
        self._told = key
        self._told_at = now if late else self._told_at
        line = {**facts, "descriptors": self._descriptors, **own_use()}
        self._rest = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._send()

    def close(self) -> None:
        """Ends."""
        self._watcher.stop()

    def _send(self) -> None:
        try:
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self._gone()

    def _on_event(self) -> None:
        try:
            if os.read(self._fd, 4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # the writing end of a pipe cannot be read; that there was an event says it all
        self._gone()

    def _gone(self) -> None:
        if self._watcher.active:
            self._watcher.stop()
            self._on_gone()


_PROCESS: Final = psutil.Process()


def own_use() -> dict[str, Any]:
    """What this process uses: memory in bytes, processor seconds; and its limit of descriptors."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "memory": _PROCESS.memory_info().rss,
        "cpu": round(used.ru_utime + used.ru_stime, 3),
    }
