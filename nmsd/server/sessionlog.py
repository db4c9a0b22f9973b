"""The event log as a worker's parts see it: what is told while a session is being served carries the session's id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nmsd.server.commands import present_work
from nmsd.server.session import Session

if TYPE_CHECKING:
    from nmsd.wire.protocol import Log


class SessionLog:
    """See wire.protocol.Log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._enabled: Callable[[str], bool] = getattr(log, "enabled", lambda level: True)

    @property
    def dropped(self) -> int:
        """How many events could not be written."""
        return int(getattr(self._log, "dropped", 0))

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        """Tells an event."""
        if not self._enabled(level):
            return
        if "session" not in fields:
            work = present_work()
            if isinstance(work, Session):
                fields = {"session": work.id, **fields}
        self._log(level, category, text, **fields)
