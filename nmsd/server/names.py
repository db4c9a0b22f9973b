"""Host names of clients, for the access filters that have some in them: looked up aside, remembered, never waited for
by the event loop.

Invariants: at most service.namelookup.threads look-ups are under way, and one for each address; a look-up that takes
longer than service.namelookup.timeout goes on, and what it finds is there for the next time.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable
from typing import Any

import gevent
from gevent import Timeout
from gevent.event import AsyncResult
from gevent.hub import get_hub

from nmsd.config.setting import Config
from nmsd.directory.access import host_name
from nmsd.server.runtime import NativeThreads
from nmsd.server.settings import NAME_CACHE_SIZE, NAME_CACHE_TTL, NAME_THREADS, NAME_TIMEOUT


class NotKnownYet(Exception):
    """The name has to be looked up first."""


class Names:
    """The names that a worker knows.  `look_up` blocks and runs in native threads; `clock` gives seconds that only go
    forward."""

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float],
        look_up: Callable[[str], str] = lambda address: host_name(address, _socket),
    ) -> None:
        self._config = config
        self._clock = clock
        self._look_up = look_up
        self._known: dict[str, tuple[str, float]] = {}
        self._pending: dict[str, AsyncResult[str]] = {}
        self._threads: NativeThreads | None = None

    def known(self, address: str) -> str:
        """The name of an address (config.clients.NameOf), without waiting.  Raises NotKnownYet."""
        found = self._known.get(address)
        if found is None or self._clock() >= found[1]:
            raise NotKnownYet(address)
        return found[0]

    def find(self, address: str) -> str:
        """The name of an address, '' if it is not found in time.  Blocks the greenlet."""
        try:
            return self.known(address)
        except NotKnownYet:
            pass
        pending = self._pending.get(address)
        if pending is None:
            pending = self._pending[address] = AsyncResult()
            gevent.spawn(self._work, address, pending)
        with Timeout(self._config[NAME_TIMEOUT], False):
            return str(pending.get())
        return ""

    def _work(self, address: str, pending: Any) -> None:
        if self._threads is None:
            self._threads = NativeThreads(get_hub(), self._config[NAME_THREADS])
        name = ""
        try:
            name = self._threads.run(lambda: self._look_up(address))
        finally:
            del self._pending[address]
            self._keep(address, name)
            pending.set(name)

    def _keep(self, address: str, name: str) -> None:
        size, seconds = self._config[NAME_CACHE_SIZE], self._config[NAME_CACHE_TTL]
        self._known.pop(address, None)
        while self._known and len(self._known) >= size:
            del self._known[next(iter(self._known))]  # the oldest
        if size and seconds:
            self._known[address] = (name, self._clock() + seconds)
