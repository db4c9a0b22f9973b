"""STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from nmsd.imap.errors import No
from nmsd.imap.flags import read_flags
from nmsd.imap.registry import Answer, Command, Done, Modifier, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.imap.sync import changed_flags, flag_line, keyword_lines, take_own
from nmsd.imap.view import View
from nmsd.model.changes import Stored
from nmsd.model.message import Field
from nmsd.model.uidset import UidSet
from nmsd.store.api import FlagChange
from nmsd.wire.errors import BadSyntax
from nmsd.wire.numberset import write_number_set
from nmsd.wire.reader import Reader

_CHANGES: Final = {
    b"FLAGS": FlagChange.REPLACE,
    b"+FLAGS": FlagChange.ADD,
    b"-FLAGS": FlagChange.REMOVE,
}


class StoreOptions:
    """What STORE's modifiers write to.  `unchanged_since`: messages with a greater modseq are left as they are."""

    __slots__ = ("by_uid", "unchanged_since")

    def __init__(self, by_uid: bool) -> None:
        self.by_uid = by_uid
        self.unchanged_since: int | None = None


@dataclass(frozen=True)
class Arguments:
    """What to change, on which messages."""

    uids: UidSet
    by_uid: bool
    modifiers: tuple[tuple[Modifier, Any], ...]
    change: FlagChange
    silent: bool
    system_flags: int
    keywords: tuple[str, ...]


def _parse(by_uid: bool) -> Callable[[Reader, Session], Arguments]:
    def parse(reader: Reader, session: Session) -> Arguments:
        reader.space()
        messages = reader.number_set_text()
        reader.space()
        modifiers = _modifiers(reader, session)
        item = reader.keyword()
        silent = item.endswith(b".SILENT")
        change = _CHANGES.get(item[:-7] if silent else item)
        if change is None:
            raise BadSyntax("Unknown data item")
        reader.space()
        system_flags, keywords = read_flags(reader)
        reader.end()
        return Arguments(session.chosen(messages, by_uid), by_uid, modifiers, change, silent, system_flags, keywords)

    return parse


def _modifiers(reader: Reader, session: Session) -> tuple[tuple[Modifier, Any], ...]:
    if not reader.maybe(b"("):
        return ()
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    found: dict[bytes, tuple[Modifier, Any]] = {}
    while True:
        modifier = TABLES.store_modifiers.get(reader.keyword())
        if modifier is None or modifier.name in found:
            raise BadSyntax("Unknown or repeated modifier")
        found[modifier.name] = (modifier, modifier.parse(reader, session))
        if reader.maybe(b")"):
            break
        reader.space()
    reader.space()
    return tuple(found.values())


def _run(session: Session, arguments: Arguments) -> Answer:
    view = session.writable()
    options = StoreOptions(arguments.by_uid)
    for modifier, value in arguments.modifiers:
        modifier.apply(session, options, value)
    if not arguments.uids:
        return None
    if arguments.silent and options.unchanged_since is None:
        return (yield from _store_silently(session, view, arguments))
    stored = _store(session, view, arguments, arguments.uids, options.unchanged_since)
    missing = len(stored.changed) + len(stored.modified) < len(arguments.uids)
    code = _modified(view, stored.modified, arguments.by_uid)
    if missing and not arguments.silent and not arguments.by_uid:
        # RFC 2180 §4.2.3.  What has changed is told as any change is.
        raise No("Some of the messages no longer exist", code or b"EXPUNGEISSUED")
    yield from _answer(session, view, stored, arguments.by_uid, arguments.silent)
    if not stored.modified:
        return Done(own=_own(stored))
    yield from _refused(session, view, stored.modified)
    return Done("Conditional STORE failed", code, own=_own(stored))


def _store_silently(session: Session, view: View, arguments: Arguments) -> Answer:
    # The client knows the outcome only where nobody else has changed the flags meanwhile; the others are told.
    stored = _store(session, view, arguments, arguments.uids, view.modseq)
    yield from _answer(session, view, stored, arguments.by_uid, True)
    own = _own(stored)
    if stored.modified:
        stored = _store(session, view, arguments, stored.modified, None)
        yield from _answer(session, view, stored, arguments.by_uid, False)
        own |= _own(stored)
    return Done(own=own)


def _store(session: Session, view: View, arguments: Arguments, uids: UidSet, unchanged_since: int | None) -> Stored:
    return session.mail().store_flags(
        view.mailbox_id, uids, arguments.change, arguments.system_flags, arguments.keywords, unchanged_since
    )


def _answer(session: Session, view: View, stored: Stored, by_uid: bool, silent: bool) -> Iterator[bytes]:
    yield from keyword_lines(view, stored.keywords)
    lines = changed_flags(session, view, stored, by_uid, silent)
    if lines:
        yield lines
    take_own(view, stored)


def _own(stored: Stored) -> frozenset[int]:
    return frozenset((stored.modseq,)) if stored.modseq else frozenset()


def _modified(view: View, modified: UidSet, by_uid: bool) -> bytes:
    if not modified:
        return b""
    return b"MODIFIED " + write_number_set(modified if by_uid else view.seqs(modified))


def _refused(session: Session, view: View, modified: UidSet) -> Iterator[bytes]:
    # Spares the client a FETCH (RFC 7162 §3.1.3); what changed after `view.modseq` is about to be told anyway.
    for rows in session.mail().fetch(view.mailbox_id, modified, (Field.FLAGS, Field.MODSEQ)):
        for uid, flags, modseq in rows:
            if modseq <= view.modseq:
                yield flag_line(session, view, view.seq(uid), uid, flags, modseq)


STORE: Final = Command(b"STORE", SELECTED, _parse(False), _run, sync=Sync.NO_EXPUNGE)
UID_STORE: Final = Command(b"UID STORE", SELECTED, _parse(True), _run)
