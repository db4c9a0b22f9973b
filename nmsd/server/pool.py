"""The pool of a worker's sessions, parked or running.

Invariant: a session holds its slot from accept until its conversation is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.pool import Group, Pool


class SessionPool(Pool):  # type: ignore[misc]
    """The sessions of a worker; `on_come` is called with each that comes, `on_leave` with each that leaves.

    gevent's pool, but what holds a slot is a session, not a greenlet, and `resize` may change the number of slots at
    any time; sessions above it stay.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.on_come: Callable[[Any], None] = lambda session: None
        self.on_leave: Callable[[Any], None] = lambda session: None

    def add(self, session: Any, blocking: bool = False, timeout: float | None = None) -> None:
        """Gives the session a slot; whether there is one is asked with `full` before."""
        Group.add(self, session)
        self.on_come(session)

    def full(self) -> bool:
        """Whether there is no slot free."""
        return len(self.greenlets) >= int(self.size)

    def discard(self, session: Any) -> None:
        """Takes the slot back: a session is no greenlet, and has nothing to be unlinked from."""
        Group._discard(self, session)
        self.on_leave(session)

    def resize(self, size: int) -> None:
        """Takes a new size."""
        self.size = size
