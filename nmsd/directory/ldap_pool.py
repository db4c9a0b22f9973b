"""The links to one server that are open: a bounded number, lent to one caller each, with a bounded queue before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nmsd.directory.ldap_link import Failure, Link, Refusal
from nmsd.model.errors import DirectoryUnavailable


class Lease:
    """A link while it is lent.  `reused`: it was open before, so that it may have died meanwhile."""

    __slots__ = ("link", "reused")

    def __init__(self, link: Link, reused: bool) -> None:
        self.link = link
        self.reused = reused


class Pool:
    """At most `size` links.

    `open_link` makes one, raising Failure; `waiting`, `idle` and `patience` give the settings in force: callers that
    may queue, seconds a link may lie unused, seconds a caller waits; `clock` gives seconds that only go forward.
    """

    def __init__(
        self,
        open_link: Callable[[], Link],
        size: int,
        *,
        waiting: Callable[[], int],
        idle: Callable[[], float],
        patience: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._open_link = open_link
        self._size = size
        self._most_waiting = waiting
        self._idle_seconds = idle
        self._patience = patience
        self._clock = clock
        self._turn = threading.Condition(threading.Lock())
        self._idle: list[tuple[Link, float]] = []
        self._used = 0
        self._waiting = 0
        self._given_up = 0

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """A link for the caller alone.  It goes back at the end; one with which anything went wrong but what the
        directory itself said is closed.  Raises Failure, DirectoryUnavailable (too many wait already)."""
        lease = self._take()
        fit = False
        try:
            yield lease
            fit = True
        except Refusal:
            fit = True
            raise
        finally:
            self._give_back(lease.link, fit)

    def counts(self) -> tuple[int, int]:
        """How many links are lent, and how many lie unused."""
        with self._turn:
            return self._used, len(self._idle)

    def clear(self) -> None:
        """Closes what lies unused."""
        with self._turn:
            links, self._idle = [link for link, _ in self._idle], []
        for link in links:
            link.close()

    def give_up(self) -> None:
        """The server is down: closes what lies unused, and those who wait get a Failure."""
        self.clear()
        with self._turn:
            self._given_up += 1
            self._turn.notify_all()

    def _take(self) -> Lease:
        stale: list[Link] = []
        try:
            with self._turn:
                link = self._idle_link(stale)
                if link is None and self._used >= self._size:
                    link = self._wait(stale)
                self._used += 1
        finally:
            for old in stale:
                old.close()
        if link is not None:
            return Lease(link, True)
        try:
            return Lease(self._open_link(), False)
        except BaseException:
            self._vacate()
            raise

    def _idle_link(self, stale: list[Link]) -> Link | None:
        """The one used last; those before it may get too old, and are closed in time."""
        oldest = self._clock() - self._idle_seconds()
        while self._idle and self._idle[0][1] < oldest:
            stale.append(self._idle.pop(0)[0])
        return self._idle.pop()[0] if self._idle else None

    def _wait(self, stale: list[Link]) -> Link | None:
        """Waits for a link, or for room to open one (None).  Raises Failure, DirectoryUnavailable."""
        if self._waiting >= self._most_waiting():
            raise DirectoryUnavailable("too many look-ups wait for the directory")
        until = self._clock() + self._patience()
        given_up = self._given_up
        self._waiting += 1
        try:
            while self._used >= self._size:
                left = until - self._clock()
                if left <= 0:
                    raise Failure("no connection came free in time", timed_out=True, counts=False)
                self._turn.wait(left)
                if self._given_up != given_up:
                    raise Failure("the server went down", counts=False)
        finally:
            self._waiting -= 1
        return self._idle_link(stale)

    def _give_back(self, link: Link, fit: bool) -> None:
        if not fit:
            link.close()
        with self._turn:
            self._used -= 1
            if fit:
                self._idle.append((link, self._clock()))
            self._turn.notify()

    def _vacate(self) -> None:
        with self._turn:
            self._used -= 1
            self._turn.notify()
