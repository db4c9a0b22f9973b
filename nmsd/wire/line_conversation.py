"""What the conversations of POP3 and LMTP have in common: a protocol of lines that tells of nothing unasked."""

from __future__ import annotations

from typing import Any

from nmsd.config.setting import Config, Setting
from nmsd.wire.lines import LineFramer
from nmsd.wire.protocol import Job, Log


class LineConversation:
    """The frame of a wire.protocol.Conversation; commands and their answers are for subclasses.

    `idle` is in minutes; `max_line`, in bytes, and `max_bad` are the protocol's own settings; `read_ahead` is how many
    bytes of input may wait before the worker stops reading.
    """

    def __init__(
        self,
        protocol: str,
        config: Config,
        log: Log,
        session_id: str,
        greeting: bytes,
        idle: Setting[int],
        max_line: Setting[int],
        max_bad: Setting[int],
        read_ahead: int,
    ) -> None:
        self.user = ""
        self.account = ""  # nobody is woken
        self._protocol = protocol
        self._config = config
        self._log = log
        self._session_id = session_id
        self._greeting = greeting
        self._idle = idle
        self._max_bad = max_bad
        self._read_ahead = read_ahead
        self._lines = LineFramer(config[max_line])
        self._ended = False
        self._bad = 0

    @property
    def idle_limit(self) -> float:
        """Seconds of silence after which `idle_out` is due."""
        return self._config[self._idle] * 60.0

    def greet(self) -> Job:
        """The greeting."""
        return Job(iter((self._greeting,)), True)

    def feed(self, data: bytes) -> None:
        """Takes what arrived; b'' at the end of file."""
        if data:
            self._lines.feed(data)
        else:
            self._ended = True

    def wants_more(self) -> bool:
        """Whether to read on."""
        return self._lines.buffered() < self._read_ahead

    def wake(self) -> Job | None:
        """Nobody is told of changes."""
        return None

    def heartbeat(self) -> Job | None:
        """There is none."""
        return None

    def _is_last_straw(self, address: str, reason: str, limit: str, counts: bool) -> bool:
        """Logs a refusal, with the setting that is the limit it ran into, if any; says whether this was one bad command
        too many."""
        which: dict[str, Any] = {"limit": limit} if limit else {}
        self._log(
            "Notice" if limit else "Information",
            "Protocol",
            f"{self._protocol} command refused",
            session=self._session_id,
            address=address,
            reason=reason,
            **which,
        )
        if counts:
            self._bad += 1
        if self._bad < self._config[self._max_bad]:
            return False
        self._log(
            "Notice",
            "Protocol",
            f"too many bad {self._protocol} commands",
            session=self._session_id,
            address=address,
            limit=self._max_bad.name,
        )
        return True
