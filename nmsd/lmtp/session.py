"""One client's LMTP session: its state and the transaction it is in.  Nothing about bytes."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from nmsd import PRODUCT
from nmsd.config.services import CERTIFICATE, MAX_MESSAGE_SIZE, host_name
from nmsd.config.setting import Config
from nmsd.directory.api import Directory
from nmsd.lmtp.content import Content, DotReader
from nmsd.lmtp.delivery import Delivery, Recipient
from nmsd.lmtp.envelope import Address
from nmsd.lmtp.settings import BARE_LF
from nmsd.lmtp.state import TRANSITIONS, Event, State
from nmsd.lmtp.trace import delivered_to, received, return_path
from nmsd.store.api import Store
from nmsd.wire.protocol import Log, Peer
from nmsd.wire.tally import Tally


class Shared:
    """What all sessions of a worker share."""

    def __init__(self, config: Config, store: Store, directory: Directory, log: Log, now: Callable[[], float]) -> None:
        self.config = config
        self.delivery = Delivery(config, store, directory)
        self.log = log
        self.now = now
        self.tally = Tally()

    @property
    def host(self) -> str:
        """The name this server gives itself."""
        return host_name(self.config)


class Session:
    """The state of one session."""

    def __init__(self, shared: Shared, peer: Peer, session_id: str) -> None:
        self.shared = shared
        self.peer = peer
        self.id = session_id
        self.state = State.START
        self.helo = ""
        self.sender = Address("", "")
        self.utf8 = False
        self.recipients: list[Recipient] = []
        self.content: Content | None = None
        self.dots = DotReader()
        self.chunk_left = 0
        """How many bytes of a BDAT are still to come."""
        self.chunk_last = False
        self.delivered = 0
        """To how many recipients messages were delivered."""
        self._transactions = 0

    def move(self, event: Event) -> None:
        """Goes where the transition table says.  An event that the state does not know raises KeyError: a bug."""
        self.state = TRANSITIONS[self.state][event]

    def may_start_tls(self) -> bool:
        """Whether STARTTLS is to be had (RFC 3207 §4)."""
        return bool(self.shared.config[CERTIFICATE]) and not self.peer.tls and not self.peer.local

    def begin(self, sender: Address, utf8: bool) -> None:
        """Starts a transaction."""
        self.sender = sender
        self.utf8 = utf8
        self._transactions += 1
        self.move(Event.MAIL)

    @property
    def transaction_id(self) -> str:
        """Names the transaction in Received and in the log."""
        return f"{self.id}.{self._transactions}"

    def open_content(self) -> Content:
        """The message of this transaction, begun with our trace fields if it has not been begun."""
        if self.content is None:
            config = self.shared.config
            self.content = Content(self._trace(), config[MAX_MESSAGE_SIZE], config[BARE_LF] == "refuse")
            self.dots = DotReader()
        return self.content

    def _trace(self) -> bytes:
        protocol = ("UTF8LMTP" if self.utf8 else "LMTP") + ("S" if self.peer.tls else "")
        fields = (
            return_path(self.sender),
            delivered_to([recipient.address for recipient in self.recipients]),
            received(
                helo=self.helo,
                client="" if self.peer.local else self.peer.address,
                host=self.shared.host,
                product=PRODUCT,
                protocol=protocol,
                session_id=self.transaction_id,
                date=formatdate(self.shared.now()),
            ),
        )
        return "".join(fields).encode()

    def reset(self) -> None:
        """Drops the transaction, if there is one."""
        self.sender = Address("", "")
        self.utf8 = False
        self.recipients = []
        self.chunk_left = 0
        if self.content is not None:
            self.content.close()
            self.content = None
