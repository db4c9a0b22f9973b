"""The shapes of what is declared once: commands, and extensions with the items they add to the base commands.

The lists themselves are in commands/__init__.py and extensions/__init__.py; imap.tables joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nmsd.imap.errors import No
from nmsd.imap.session import Session
from nmsd.imap.state import State
from nmsd.imap.view import View
from nmsd.model.mailbox import Mailbox
from nmsd.model.message import Field
from nmsd.model.search import Key
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account
from nmsd.wire.protocol import Output
from nmsd.wire.reader import Reader


class Sync(Enum):
    """What the client may be told of the selected mailbox before a command's tagged answer (RFC 9051 §7.5.1)."""

    NONE = "none"  # nothing: the command ends or begins a selection, or the session
    NO_EXPUNGE = "no expunge"  # all but EXPUNGE: the command used sequence numbers
    FULL = "full"


class Done:
    """A command's good end: what its tagged OK says.  `code` is the response code without brackets; `start_tls`: the
    TLS handshake follows the answer; `own` holds the modseqs of changes that the command has told of itself."""

    __slots__ = ("code", "own", "start_tls", "text")

    def __init__(
        self, text: str = "", code: bytes = b"", *, start_tls: bool = False, own: frozenset[int] = frozenset()
    ) -> None:
        self.text = text
        self.code = code
        self.start_tls = start_tls
        self.own = own


class Continue:
    """The command wants a line from the client (it has sent its "+"); `handler` gets it and ends as a command does."""

    __slots__ = ("handler", "inline", "resume")

    def __init__(
        self,
        handler: Callable[[Session, bytes], Generator[Output, None, Outcome]],
        inline: bool = False,
        resume: bool = False,
    ) -> None:
        self.handler = handler
        self.inline = inline
        self.resume = resume
        """Whether the wait is IDLE's: changes are told meanwhile."""


Outcome = Done | Continue | None
Answer = Generator[Output, None, Outcome]
"""What a handler is: a generator of untagged lines (whole, CRLF included) that returns how it ended."""


@dataclass(frozen=True)
class Command:
    """One command.  The by-UID variant of FETCH is a row named b"UID FETCH"; so with the others.

    `parse` reads the arguments after the name (the space before them included) to the end, and raises BadSyntax.  `run`
    carries it out.  `inline`: it never waits (no write, no directory, no long scan), so it may run in the event loop.
    `streams`: its literals may be as long as a message.
    """

    name: bytes
    states: State
    parse: Callable[[Reader, Session], Any]
    run: Callable[[Session, Any], Answer]
    sync: Sync = Sync.FULL
    inline: bool = False
    streams: bool = False


def no_arguments(reader: Reader, session: Session) -> None:
    """The parser of commands that take none."""
    reader.end()


class FetchOptions:
    """What a FETCH is to do beside its items: its modifiers (RFC 4466 §2.3) write here.

    `by_uid`: it is UID FETCH.  `changed_since`: only messages with a greater modseq (RFC 7162 §3.1.4.1).  `vanished`:
    tell those expunged since then too (RFC 7162 §3.2.6).  `parts`: further things to give.
    """

    __slots__ = ("by_uid", "changed_since", "parts", "vanished")

    def __init__(self, by_uid: bool) -> None:
        self.by_uid = by_uid
        self.changed_since: int | None = None
        self.vanished = False
        self.parts: list[FetchPart] = []


class FetchRow:
    """The message being fetched, for a FetchPart's `write`.  `refusal`: what the command's tagged NO is to say, for a
    part that cannot be given (the first one counts)."""

    __slots__ = ("account", "refusal", "seq", "session", "uid", "view")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.view = session.selected()
        self.account = session.mail()
        self.seq = 0
        self.uid = 0
        self.refusal: No | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the message; fewer at its end, or if it is gone."""
        return self.account.read(self.view.mailbox_id, self.uid, offset, length)


@dataclass(frozen=True)
class FetchPart:
    """One thing a FETCH asks for.

    `name` is what the answer calls it ("BODY[1]"); of two with one name one is given.  `fields` are what it needs of
    the store.  With a `template` it has one field, which fills the one %-place (no field: the UID does).  Else
    `write(row, values)` gives its text in pieces, the name included, out of the values of `fields` in order; the TEXT
    of a message above `text_limit` bytes may come as None, and is got by `row.read`.  `sets_seen`: fetching it sets
    \\Seen.
    """

    name: bytes
    fields: tuple[Field, ...] = ()
    template: bytes = b""
    write: Callable[[FetchRow, tuple[Any, ...]], Iterator[bytes]] | None = None
    sets_seen: bool = False
    text_limit: int = 0


@dataclass(frozen=True)
class FetchItem:
    """A FETCH item by name: `parse` reads what follows the name (sections, partials) and gives the part.

    `with_flags`: bits of session.enabled; where one is set this part goes with every answer that tells changed flags.
    Such an item takes no arguments.
    """

    name: bytes
    parse: Callable[[Reader, Session], FetchPart]
    with_flags: int = 0


@dataclass(frozen=True)
class SearchKey:
    """A SEARCH key by name: `parse(reader, session, charset)` reads its arguments."""

    name: bytes
    parse: Callable[[Reader, Session, str], Key]


class Found:
    """What a SEARCH found: `uids`, in `view`, to be told as UIDs or as sequence numbers."""

    __slots__ = ("by_uid", "uids", "view")

    def __init__(self, uids: UidSet, view: View, by_uid: bool) -> None:
        self.uids = uids
        self.view = view
        self.by_uid = by_uid

    def number(self, uid: int) -> int:
        """How the message `uid` is told."""
        return uid if self.by_uid else self.view.seq(uid)

    def numbers(self) -> UidSet:
        """How all of them are told."""
        return self.uids if self.by_uid else self.view.seqs(self.uids)


@dataclass(frozen=True)
class ReturnOption:
    """A result option of SEARCH (RFC 4466 §2.6), by name.

    `parse` reads its value.  `item(found, value)` writes its part of the ESEARCH answer, the space before it included.
    `shows(found, value)` gives the UIDs that part tells of.  `saves`: the result becomes "$".
    """

    name: bytes
    parse: Callable[[Reader, Session], Any]
    item: Callable[[Found, Any], bytes] | None = None
    shows: Callable[[Found, Any], UidSet] | None = None
    saves: bool = False


@dataclass(frozen=True)
class StatusItem:
    """A STATUS item: `value` writes it for a mailbox."""

    name: bytes
    value: Callable[[Session, Account, Mailbox], bytes]


@dataclass(frozen=True)
class SelectParam:
    """A parameter of SELECT and EXAMINE (RFC 4466 §2.1): `parse` reads what follows its name; `after` runs once the
    mailbox is selected, and gives further untagged lines."""

    name: bytes
    parse: Callable[[Reader, Session], Any]
    after: Callable[[Session, View, Any], Iterator[bytes]]


@dataclass(frozen=True)
class Modifier:
    """A modifier of FETCH or STORE (RFC 4466 §2.3, §2.4), by name.

    `parse` reads its value, the space before it included.  `apply(session, options, value)` writes it into the
    command's options (FetchOptions; for STORE what commands/store.py makes) before the command runs; it raises
    BadSyntax or No.
    """

    name: bytes
    parse: Callable[[Reader, Session], Any]
    apply: Callable[[Session, Any, Any], None]


def always(session: Session) -> bool:
    """For capabilities that do not depend on the session."""
    return True


@dataclass(frozen=True)
class Extension:
    """One extension, all of it: what it adds anywhere.

    `capabilities` are advertised in the `states` and while `when` holds; so is what `capability` gives, for one whose
    text depends on a setting (b'' for none now).  `enables` gives (name, bits) that ENABLE
    understands, the bits those of session.enabled.
    """

    rfc: int
    capabilities: tuple[bytes, ...] = ()
    states: State = State.AUTHENTICATED | State.SELECTED | State.NOT_AUTHENTICATED
    when: Callable[[Session], bool] = always
    capability: Callable[[Session], bytes] | None = None
    commands: tuple[Command, ...] = ()
    enables: tuple[tuple[bytes, int], ...] = ()
    fetch_items: tuple[FetchItem, ...] = ()
    fetch_modifiers: tuple[Modifier, ...] = ()
    store_modifiers: tuple[Modifier, ...] = ()
    search_keys: tuple[SearchKey, ...] = ()
    search_returns: tuple[ReturnOption, ...] = ()
    status_items: tuple[StatusItem, ...] = ()
    select_params: tuple[SelectParam, ...] = ()
