"""What a back end is given to work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Runtime(Protocol):
    """How a back end blocks without blocking its caller's neighbours."""

    def offload(self, work: Callable[[], T]) -> T:
        """Runs `work` in a native thread (or at once, where nobody else waits) and returns what it returns."""


class Log(Protocol):
    """The event log, as in wire.protocol."""

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None: ...
