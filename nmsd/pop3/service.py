"""The POP3 service: what a worker needs to know of it."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from nmsd.config.services import POP, host_name
from nmsd.config.setting import Config
from nmsd.directory.api import Directory, Gate
from nmsd.pop3.conversation import PopConversation
from nmsd.pop3.session import Shared
from nmsd.store.api import Store
from nmsd.wire.banner import expand_banner
from nmsd.wire.protocol import Changes, Log, Peer
from nmsd.wire.tally import Tally

_GREETING_BYTES: Final = 500
"""RFC 2449 §4 allows 512 with "+OK " and the line end."""


class PopService:
    """Opens POP3 sessions.  All services take the same collaborators, whether or not they use each.

    `now` gives seconds since the epoch.  Settings are looked up when they are needed, so a reload of `config` counts at
    once.
    """

    name: Final = "pop"

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        gate: Gate,
        directory: Directory,
        changes: Changes,
        log: Log,
        now: Callable[[], float],
    ) -> None:
        self._shared = Shared(config, store, gate, log, now)

    @property
    def tally(self) -> Tally:
        """What has become of its commands."""
        return self._shared.tally

    def open(self, peer: Peer, session_id: str) -> PopConversation:
        """A new client's session."""
        return PopConversation(self._shared, peer, session_id, self._greeting())

    def busy(self) -> bytes:
        """What a client is told instead of a greeting when there is no room for it."""
        return b"-ERR [SYS/TEMP] Too many connections, try again later\r\n"

    def unwelcome(self) -> bytes:
        """What a client is told that the access filters keep out (RFC 3206 §4)."""
        return b"-ERR [SYS/PERM] Connections from your address are not taken\r\n"

    def _greeting(self) -> bytes:
        config = self._shared.config
        date = formatdate(self._shared.now(), usegmt=True)
        banner = expand_banner(config[POP.banner], host=host_name(config), protocol="POP3", date=date)
        # Angle brackets would be APOP's timestamp (RFC 1939 §7).
        text = banner.replace("<", "(").replace(">", ")").encode("ascii", "replace")
        return b"+OK " + text[:_GREETING_BYTES] + b"\r\n"
