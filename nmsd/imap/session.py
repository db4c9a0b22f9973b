"""One client's IMAP session: who, in which state, with what view and which extensions enabled.  Nothing about bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmsd.config.services import IMAP
from nmsd.config.setting import Config
from nmsd.directory.api import Gate, User
from nmsd.directory.entrance import Entrance
from nmsd.imap.errors import No
from nmsd.imap.flagtext import FlagWriter
from nmsd.imap.state import TRANSITIONS, Event, State
from nmsd.imap.view import View
from nmsd.model.errors import NoSuchMailbox, StoreError, StoreFull
from nmsd.model.mailbox import Mailbox, canonical_name
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, Store
from nmsd.wire.mailboxname import decode_name, write_name
from nmsd.wire.protocol import Changes, Log, Peer
from nmsd.wire.reader import Reader
from nmsd.wire.tally import Tally

# What ENABLE (RFC 5161), or a command that implies it, has switched on: bits of Session.enabled.
IMAP4REV2: Final = 1
CONDSTORE: Final = 2
QRESYNC: Final = 4
UTF8_ACCEPT: Final = 8


class Shared:
    """What all sessions of a worker share."""

    def __init__(
        self, config: Config, store: Store, gate: Gate, changes: Changes, log: Log, now: Callable[[], float]
    ) -> None:
        self.config = config
        self.store = store
        self.gate = gate
        self.changes = changes
        self.log = log
        self.now = now
        self.flags = FlagWriter()
        self.tally = Tally()


class Session:
    """The state of one session."""

    __slots__ = (
        "account",
        "admin",
        "enabled",
        "id",
        "opened",
        "peer",
        "saved",
        "shared",
        "state",
        "tag",
        "user",
        "view",
    )

    def __init__(self, shared: Shared, peer: Peer, session_id: str) -> None:
        self.shared: Shared = shared
        self.peer: Peer = peer
        self.id: str = session_id
        self.tag: bytes = b""
        """The tag of the command being run (for the correlator of ESEARCH)."""
        self.state: State = State.NOT_AUTHENTICATED
        self.user: User | None = None
        self.admin: User | None = None
        """Who acts as `user` by PROXYAUTH."""
        self.account: Account | None = None
        self.view: View | None = None
        self.enabled: int = 0
        self.opened: int = 0
        """How many mailboxes it has selected."""
        self.saved: UidSet | None = None
        """The result variable "$" (RFC 5182), UIDs; None until a SEARCH saves."""

    def move(self, event: Event) -> None:
        """Goes where the transition table says.  An event that the state does not know raises KeyError: a bug."""
        self.state = TRANSITIONS[self.state][event]

    # What handlers may take for granted in their states

    def mail(self) -> Account:
        """The logged-in user's account."""
        assert self.account is not None
        return self.account

    def selected(self) -> View:
        """The selected view."""
        assert self.view is not None
        return self.view

    def writable(self) -> View:
        """The selected view, if it was not opened with EXAMINE.  Raises No."""
        view = self.selected()
        if view.read_only:
            raise No("Mailbox is read-only", b"READ-ONLY")
        return view

    def chosen(self, text: bytes, by_uid: bool) -> UidSet:
        """The UIDs that a sequence set, or "$" (RFC 5182), names in the selected mailbox.  A saved message that is no
        longer in the view has left "$" (§2.1).  Raises BadSyntax as View.select does."""
        view = self.selected()
        if text == b"$":
            return UidSet() if self.saved is None else self.saved & view.uids
        return view.select(text, by_uid)

    # Names

    @property
    def utf8(self) -> bool:
        """Whether mailbox names go in UTF-8 (RFC 9051 §5.1) rather than modified UTF-7."""
        return bool(self.enabled & (IMAP4REV2 | UTF8_ACCEPT))

    def read_mailbox(self, reader: Reader) -> str:
        """A mailbox argument, as a canonical name.  Raises BadSyntax."""
        return canonical_name(decode_name(reader.astring(), self.utf8))

    def write_mailbox(self, name: str) -> bytes:
        """A mailbox name for the client."""
        return write_name(name, self.utf8)

    # Policy

    def entrance(self) -> Entrance:
        """The client's way in."""
        return Entrance(self.shared.gate, self.shared.config, IMAP, self.peer)

    def may_send_password(self) -> bool:
        """Whether plain-text passwords are taken on this connection."""
        return self.entrance().takes_passwords()

    @property
    def is_anonymous(self) -> bool:
        """Whether it is anybody who is logged in, and may look and change nothing."""
        return self.user is not None and self.user.is_anonymous

    def log_in(self, user: User) -> None:
        """Enters the authenticated state as `user`."""
        self._be(user)
        self.move(Event.LOGIN)

    def act_as(self, name: str) -> None:
        """Makes the logged-in administrator another user; he may go on to the next.  Raises DirectoryError."""
        admin = self.admin or self.user
        assert admin is not None
        service = "imaps" if self.peer.tls else "imap"
        self._be(self.shared.gate.act_as(service, admin, name, self.peer.address))
        self.admin = admin

    def _be(self, user: User) -> None:
        self.user = user
        self.account = self.shared.store.account(user.account)

    def select(self, view: View) -> None:
        """Enters the selected state.  SELECT tells HIGHESTMODSEQ in any case."""
        view.modseq_told = bool(self.enabled & CONDSTORE)
        self.view = view
        self.opened += 1
        self.saved = None
        self.move(Event.SELECT)

    def deselect(self) -> None:
        r"""Leaves the selected mailbox; messages that arrived while it was selected have been told of as \Recent.  That
        this cannot be noted, as the mailbox is deleted or the store away, keeps nobody in it."""
        view = self.view
        self.view = None
        self.saved = None
        self.move(Event.DESELECT)
        if view is not None and view.arrived and not view.read_only:
            try:
                self.claim_recent(view.mailbox_id, view.uidnext, view.uidnext)
            except NoSuchMailbox:
                pass
            except StoreError as error:
                self.shared.log("Warning", "Store", str(error), session=self.id)

    def claim_recent(self, mailbox_id: int, recent_uid: int, uidnext: int) -> int:
        r"""Claims what is below `uidnext` as \Recent for this session; the lowest UID that is.  Where the disk is full
        it is `recent_uid`, what was read, and others are told the same: mail can be read all the same."""
        try:
            return self.mail().claim_recent(mailbox_id, uidnext)
        except StoreFull:
            return recent_uid

    def is_recent_told(self) -> bool:
        r"""Whether this client hears of \Recent: IMAP4rev2 has no such flag."""
        return not self.enabled & IMAP4REV2

    def target(self, name: str) -> Mailbox:
        """The mailbox that APPEND, COPY or MOVE names.  Raises No with TRYCREATE (RFC 9051 §6.3.12) without one."""
        try:
            return self.mail().mailbox(name)
        except NoSuchMailbox as error:
            raise No(str(error) or "No such mailbox", b"TRYCREATE") from None
