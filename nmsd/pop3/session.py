"""One client's POP3 session: who, in which state, with what maildrop.  Nothing about bytes."""

from __future__ import annotations

from collections.abc import Callable

from nmsd.config.services import POP
from nmsd.config.setting import Config
from nmsd.directory.api import Gate, User
from nmsd.directory.entrance import Entrance
from nmsd.pop3.errors import Err
from nmsd.pop3.maildrop import Maildrop, open_maildrop
from nmsd.pop3.settings import MIN_POLL
from nmsd.pop3.state import TRANSITIONS, Event, State
from nmsd.store.api import Store
from nmsd.wire.protocol import Log, Peer
from nmsd.wire.sasl import Exchange
from nmsd.wire.tally import Tally


class Shared:
    """What all sessions of a worker share."""

    def __init__(self, config: Config, store: Store, gate: Gate, log: Log, now: Callable[[], float]) -> None:
        self.config = config
        self.store = store
        self.gate = gate
        self.log = log
        self.now = now
        self.tally = Tally()
        self._logins: dict[str, float] = {}

    def check_poll(self, account: str) -> None:
        """Keeps service.pop.popminpoll: refuses a login because the last was too short a while ago.  Raises Err."""
        least = self.config[MIN_POLL]
        last = self._logins.get(account)
        if last is not None and self.now() - last < least:
            raise Err(f"Logged in less than {least} seconds ago", b"LOGIN-DELAY")

    def note_poll(self, account: str) -> None:
        """The account was logged in to: from now on the next poll has to wait."""
        least = self.config[MIN_POLL]
        if not least:
            return
        now = self.now()
        # Logins are in order of time, so those that no longer matter are the first.
        for known in list(self._logins):
            if now - self._logins[known] < least:
                break
            del self._logins[known]
        self._logins[account] = now


class Session:
    """The state of one session."""

    def __init__(self, shared: Shared, peer: Peer, session_id: str) -> None:
        self.shared = shared
        self.peer = peer
        self.id = session_id
        self.state = State.AUTHORIZATION
        self.login_name = ""
        """What USER said, '' without it."""
        self.utf8 = False
        self.user: User | None = None
        self.attempt: tuple[Entrance, Exchange] | None = None
        """In the SASL state, what the next line answers."""
        self._maildrop: Maildrop | None = None

    def move(self, event: Event) -> None:
        """Goes where the transition table says.  An event that the state does not know raises KeyError: a bug."""
        self.state = TRANSITIONS[self.state][event]
        if self.state != State.SASL:
            self.attempt = None

    @property
    def maildrop(self) -> Maildrop:
        """The maildrop; there is one in the TRANSACTION and UPDATE states."""
        assert self._maildrop is not None
        return self._maildrop

    def entrance(self) -> Entrance:
        """The client's way in."""
        return Entrance(self.shared.gate, self.shared.config, POP, self.peer)

    def check_password_allowed(self) -> None:
        """Raises Err where plain-text passwords are not taken on this connection."""
        if not self.entrance().takes_passwords():
            raise Err("Plain-text passwords are not taken on this connection; use TLS", b"AUTH")

    def enter(self, entrance: Entrance) -> None:
        """Enters the TRANSACTION state as who has come in; with the maildrop locked, but for anonymous users, who
        change nothing in it.  Raises Err, StoreError."""
        user = entrance.user
        assert user is not None
        if not user.is_anonymous:
            self.shared.check_poll(user.account)
        self._maildrop = open_maildrop(self.shared.store.account(user.account), user.is_anonymous)
        if not user.is_anonymous:
            self.shared.note_poll(user.account)
        self.user = user
        self.move(Event.LOGIN)

    def release(self) -> None:
        """Gives back the maildrop, with nothing deleted."""
        maildrop, self._maildrop = self._maildrop, None
        if maildrop is not None:
            maildrop.release()
