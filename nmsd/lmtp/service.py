"""The LMTP service: what a worker needs to know of it."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from nmsd.config.services import LMTP
from nmsd.config.setting import Config
from nmsd.directory.api import Directory, Gate
from nmsd.lmtp.conversation import LmtpConversation
from nmsd.lmtp.session import Shared
from nmsd.store.api import Store
from nmsd.wire.banner import expand_banner
from nmsd.wire.protocol import Changes, Log, Peer
from nmsd.wire.tally import Tally

_GREETING_BYTES: Final = 500
"""RFC 5321 §4.5.3.1.5 allows 512 with the code and the line end."""


class LmtpService:
    """Opens LMTP sessions.  All services take the same collaborators, whether or not they use each.

    `now` gives seconds since the epoch.  Settings are looked up when they are needed, so a reload of `config` counts at
    once.
    """

    name: Final = "lmtp"

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
        self._shared = Shared(config, store, directory, log, now)

    @property
    def tally(self) -> Tally:
        """What has become of its commands."""
        return self._shared.tally

    def open(self, peer: Peer, session_id: str) -> LmtpConversation:
        """A new client's session."""
        return LmtpConversation(self._shared, peer, session_id, self._greeting())

    def busy(self) -> bytes:
        """What a client is told instead of a greeting when there is no room for it."""
        return b"421 4.3.2 Too many connections, try again later\r\n"

    def unwelcome(self) -> bytes:
        """What a client is told that is not let in."""
        return b"554 5.7.1 Connections from your address are not taken\r\n"

    def _greeting(self) -> bytes:
        shared = self._shared
        host = shared.host
        date = formatdate(shared.now(), usegmt=True)
        banner = expand_banner(shared.config[LMTP.banner], host=host, protocol="LMTP", date=date)
        # The host's name comes first, whatever the banner says (RFC 5321 §4.2).
        text = banner if banner.startswith(host) else f"{host} {banner}"
        return b"220 " + text.encode("ascii", "replace")[:_GREETING_BYTES] + b"\r\n"
