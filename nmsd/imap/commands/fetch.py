"""FETCH and UID FETCH (RFC 9051 §6.4.5, §6.4.9), with the modifiers of RFC 4466 §2.3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from nmsd.imap.errors import No
from nmsd.imap.fetch.items import FLAGS, MACROS, UID
from nmsd.imap.fetch.plan import Plan, Positions, Row
from nmsd.imap.registry import Answer, Command, Done, FetchOptions, FetchPart, FetchRow, Modifier, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.imap.sync import keyword_lines
from nmsd.imap.view import View
from nmsd.model.changes import Stored
from nmsd.model.errors import StoreFull
from nmsd.model.flags import SEEN
from nmsd.model.message import Field
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange
from nmsd.wire.errors import BadSyntax
from nmsd.wire.numberset import parse_number_set, write_number_set
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class Arguments:
    """Which messages, which parts of them, and the modifiers, each with its value."""

    messages: bytes
    parts: list[FetchPart]
    modifiers: list[tuple[Modifier, Any]]


def _parse(reader: Reader, session: Session) -> Arguments:
    reader.space()
    messages = reader.number_set_text()
    reader.space()
    parts = _parse_items(reader, session)
    modifiers: list[tuple[Modifier, Any]] = []
    if reader.maybe(b" ("):
        from nmsd.imap.tables import TABLES  # the tables are made of the commands

        while True:
            name = reader.keyword()
            modifier = TABLES.fetch_modifiers.get(name)
            if modifier is None:
                raise BadSyntax("Unknown modifier " + name.decode("ascii"))
            modifiers.append((modifier, modifier.parse(reader, session)))
            if reader.maybe(b")"):
                break
            reader.space()
    reader.end()
    return Arguments(messages, parts, modifiers)


def _parse_items(reader: Reader, session: Session) -> list[FetchPart]:
    parts: dict[bytes, FetchPart] = {}
    if reader.maybe(b"("):
        while True:
            _add(parts, _parse_item(reader.item_name(), reader, session))
            if reader.maybe(b")"):
                return list(parts.values())
            reader.space()
    name = reader.item_name()
    for item in MACROS.get(name, (name,)):
        _add(parts, _parse_item(item, reader, session))
    return list(parts.values())


def _parse_item(name: bytes, reader: Reader, session: Session) -> FetchPart:
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    item = TABLES.fetch_items.get(name)
    if item is None:
        raise BadSyntax("Unknown FETCH item " + name.decode("ascii"))
    return item.parse(reader, session)


def _add(parts: dict[bytes, FetchPart], part: FetchPart) -> None:
    # BODY[] and BODY.PEEK[] are answered by the same name: once, and \Seen is set.
    if part.sets_seen or part.name not in parts:
        parts[part.name] = part


def _fetch(by_uid: bool) -> Callable[[Session, Arguments], Answer]:
    def run(session: Session, arguments: Arguments) -> Answer:
        return fetch(session, arguments, by_uid)

    return run


def fetch(session: Session, arguments: Arguments, by_uid: bool) -> Answer:
    r"""Gives the parts of each message.  A message that another session has expunged is left out, and a FETCH by
    sequence numbers then ends in NO (RFC 2180 §4.1.2)."""
    view = session.selected()
    uids = session.chosen(arguments.messages, by_uid)
    options = FetchOptions(by_uid)
    for modifier, value in arguments.modifiers:
        modifier.apply(session, options, value)
    if options.vanished and options.changed_since is None:
        raise BadSyntax("VANISHED needs CHANGEDSINCE")
    if options.changed_since is not None:
        changes = session.mail().changes(view.mailbox_id, options.changed_since)
        uids = uids & UidSet.of_sorted(uid for uid, _flags, _modseq in changes.flags)
        if options.vanished and arguments.messages != b"$":  # what "$" names is still there
            # Those the client still has numbers for are told by the sync that follows.
            vanished = (changes.vanished & parse_number_set(arguments.messages, view.uids.high)) - view.uids
            if vanished:
                yield b"* VANISHED (EARLIER) " + write_number_set(vanished) + b"\r\n"
    plan = Plan(*_parts(session, arguments, options))
    row = FetchRow(session)
    positions = Positions(session, view)
    own: set[int] = set()
    gone: list[int] = []
    found = 0
    for rows in _slices(session.mail(), view, uids, plan):
        found += len(rows)
        changed: dict[int, int] = {}
        if plan.sets_seen:
            stored = _set_seen(session.mail(), view, rows, plan.place(Field.FLAGS))
            if stored is not None:
                own.add(stored.modseq)
                yield from keyword_lines(view, stored.keywords)
                changed = dict(stored.changed)
                rows = _with_changes(rows, stored, changed, plan)
        yield from plan.write(row, rows, positions, changed, gone)
    if row.refusal is not None:
        raise row.refusal
    if not by_uid and found - len(gone) < len(uids):
        raise No("Some of the messages were expunged", b"EXPUNGEISSUED")
    return Done(own=frozenset(own))


def _parts(session: Session, arguments: Arguments, options: FetchOptions) -> tuple[list[FetchPart], list[FetchPart]]:
    r"""What to give of each message, and what besides where \Seen is set on the way."""
    parts = {part.name: part for part in [*arguments.parts, *options.parts]}
    if options.by_uid:
        parts[UID.name] = UID
    if session.selected().read_only or not any(part.sets_seen for part in parts.values()):
        return list(parts.values()), []
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    empty = Reader([b""], [])
    changed = [item.parse(empty, session) for item in TABLES.flag_items if item.with_flags & session.enabled]
    if changed:
        changed.insert(0, UID)  # RFC 7162 §3.2.4: modseqs come with UIDs
    return list(parts.values()), [FLAGS, *changed]


def _slices(account: Account, view: View, uids: UidSet, plan: Plan) -> Iterator[list[Row]]:
    if not plan.has_text():
        yield from account.fetch(view.mailbox_id, uids, plan.fields)
        return
    for sizes in account.fetch(view.mailbox_id, uids, (Field.SIZE,)):
        small = UidSet.of_sorted([uid for uid, size in sizes if size <= plan.text_limit])
        large: list[Row] = []
        if len(small) < len(sizes):
            rest = UidSet.of_sorted([uid for uid, size in sizes if size > plan.text_limit])
            for rows in account.fetch(view.mailbox_id, rest, plan.fields[:-1]):
                large.extend([(*row, None) for row in rows])
        yield from _merged(account.fetch(view.mailbox_id, small, plan.fields), large)


def _merged(slices: Iterator[list[Row]], others: list[Row]) -> Iterator[list[Row]]:
    """Slices of rows with the others put among them, ascending by UID."""
    start = 0
    for rows in slices:
        end = start
        while end < len(others) and others[end][0] < rows[-1][0]:
            end += 1
        yield sorted(others[start:end] + rows, key=_uid) if end > start else rows
        start = end
    if start < len(others):
        yield others[start:]


def _uid(row: Row) -> int:
    uid: int = row[0]
    return uid


def _set_seen(account: Account, view: View, rows: list[Row], place: int) -> Stored | None:
    unseen = [row[0] for row in rows if not row[place] & SEEN]
    if not unseen:
        return None
    try:
        return account.store_flags(view.mailbox_id, UidSet.of_sorted(unseen), FlagChange.ADD, SEEN)
    except StoreFull:
        return None  # mail can be read on a full disk


def _with_changes(rows: list[Row], stored: Stored, changed: dict[int, int], plan: Plan) -> list[Row]:
    """The rows with what they say of flags and modseq brought up to date."""
    flags_place = plan.place(Field.FLAGS)
    modseq_place = plan.place(Field.MODSEQ)
    kept = stored.modseqs or {}
    result: list[Row] = []
    for row in rows:
        uid = row[0]
        flags = changed.get(uid)
        if flags is not None:
            values = list(row)
            values[flags_place] = flags
            if modseq_place:
                values[modseq_place] = kept.get(uid, stored.modseq)
            row = tuple(values)
        result.append(row)
    return result


FETCH: Final = Command(b"FETCH", SELECTED, _parse, _fetch(False), sync=Sync.NO_EXPUNGE)
UID_FETCH: Final = Command(b"UID FETCH", SELECTED, _parse, _fetch(True))
