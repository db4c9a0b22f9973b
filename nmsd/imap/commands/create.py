"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4-§6.3.8), and CREATE's USE (RFC 6154 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmsd.imap.commands.list import list_line, read_both_names
from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command
from nmsd.imap.session import IMAP4REV2, Session
from nmsd.imap.state import LOGGED_IN
from nmsd.model.mailbox import SEPARATOR, SPECIAL_USES
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader

_VIRTUAL: Final = ("\\All", "\\Flagged")
_USES: Final = {use.lower(): use for use in SPECIAL_USES}


@dataclass(frozen=True)
class _New:
    """A mailbox to be made; `old_name` is what the client calls it, where that is not its name."""

    name: str
    old_name: str
    uses: tuple[str, ...]


def _parse_create(reader: Reader, session: Session) -> _New:
    reader.space()
    name, old_name = read_both_names(session, reader)
    uses: list[str] = []
    if reader.maybe(b" ("):
        if reader.keyword() != b"USE":
            raise BadSyntax("Unknown parameter")
        reader.space()
        uses = reader.flag_list()
        reader.expect(b")")
    reader.end()
    # A separator at the end says that the name will have inferiors (RFC 9051 §6.3.4); any of ours may.
    return _New(name[:-1] if name.endswith(SEPARATOR) else name, old_name, tuple(uses))


def _create(session: Session, new: _New) -> Answer:
    uses: list[str] = []
    for use in new.uses:
        known = _USES.get(use.lower())
        if known is None or known in _VIRTUAL:
            raise No(f"A mailbox cannot be {use} here", b"USEATTR")
        uses.append(known)
    session.mail().create(new.name, tuple(uses))
    if new.old_name and session.enabled & IMAP4REV2:
        attributes = ["\\HasNoChildren", *uses]
        yield list_line(session, b"LIST", new.name, attributes, old_name=new.old_name)
    return None


def _parse_name(reader: Reader, session: Session) -> str:
    reader.space()
    name = session.read_mailbox(reader)
    reader.end()
    return name


def _delete(session: Session, name: str) -> Answer:
    yield from ()
    view = session.view
    is_selected = view is not None and session.mail().mailbox(name).id == view.mailbox_id
    session.mail().delete(name)
    if is_selected:
        session.deselect()
        yield b"* OK [CLOSED] Selected mailbox is deleted\r\n"
    return None


def _parse_names(reader: Reader, session: Session) -> tuple[str, str]:
    reader.space()
    old = session.read_mailbox(reader)
    reader.space()
    new = session.read_mailbox(reader)
    reader.end()
    return old, new


def _rename(session: Session, names: tuple[str, str]) -> Answer:
    yield from ()
    old, new = names
    session.mail().rename(old, new[:-1] if new.endswith(SEPARATOR) else new)
    return None


def _subscribe(session: Session, name: str) -> Answer:
    yield from ()
    session.mail().subscribe(name, True)
    return None


def _unsubscribe(session: Session, name: str) -> Answer:
    yield from ()
    session.mail().subscribe(name, False)
    return None


CREATE: Final = Command(b"CREATE", LOGGED_IN, _parse_create, _create)
DELETE: Final = Command(b"DELETE", LOGGED_IN, _parse_name, _delete)
RENAME: Final = Command(b"RENAME", LOGGED_IN, _parse_names, _rename)
SUBSCRIBE: Final = Command(b"SUBSCRIBE", LOGGED_IN, _parse_name, _subscribe)
UNSUBSCRIBE: Final = Command(b"UNSUBSCRIBE", LOGGED_IN, _parse_name, _unsubscribe)
