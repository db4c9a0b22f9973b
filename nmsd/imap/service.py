"""The IMAP service: opens a conversation for each connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from nmsd.config.services import IMAP, host_name
from nmsd.config.setting import Config
from nmsd.directory.api import Directory, Gate
from nmsd.imap.conversation import ImapConversation
from nmsd.imap.session import Session, Shared
from nmsd.imap.tables import TABLES
from nmsd.model.message import Instant
from nmsd.store.api import Store
from nmsd.wire.banner import expand_banner
from nmsd.wire.dates import write_date_time
from nmsd.wire.protocol import Changes, Log, Peer
from nmsd.wire.tally import Tally


class ImapService:
    """What the worker serves IMAP with."""

    name = "imap"

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
        self._shared = Shared(config, store, gate, changes, log, now)

    @property
    def tally(self) -> Tally:
        """What has become of its commands."""
        return self._shared.tally

    def open(self, peer: Peer, session_id: str) -> ImapConversation:
        """A conversation for a new connection."""
        shared = self._shared
        banner = _banner(shared.config[IMAP.banner], host_name(shared.config), int(shared.now()))
        return ImapConversation(Session(shared, peer, session_id), TABLES, banner)

    def busy(self) -> bytes:
        """What a client hears for whom there is no room (RFC 5530 §3)."""
        return b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"

    def unwelcome(self) -> bytes:
        """What a client hears that the access filters keep out."""
        return b"* BYE Connections from your address are not taken\r\n"


@lru_cache(maxsize=1)  # all who come within one second are greeted alike
def _banner(template: str, host: str, now: int) -> bytes:
    date = write_date_time(Instant(now)).decode("ascii").strip()
    return expand_banner(template, host=host, protocol="IMAP4", date=date).encode("ascii", "replace")
