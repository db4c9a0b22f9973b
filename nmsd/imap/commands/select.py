"""SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3), CLOSE (§6.4.1), with the parameters of RFC 4466 §2.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from nmsd.imap.commands.list import Tree, list_line, read_both_names
from nmsd.imap.registry import Answer, Command, Done, SelectParam, Sync, no_arguments
from nmsd.imap.session import IMAP4REV2, Session
from nmsd.imap.state import LOGGED_IN, SELECTED, State
from nmsd.imap.sync import flags_line, permanent_flags_line
from nmsd.imap.view import View
from nmsd.model.errors import NoSuchMailbox
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class Arguments:
    """A mailbox and the parameters asked for, each with its value; `old_name` is what the client calls it, where that
    is not its name."""

    name: str
    old_name: str
    params: tuple[tuple[SelectParam, Any], ...]


def _parse(reader: Reader, session: Session) -> Arguments:
    reader.space()
    name, old_name = read_both_names(session, reader)
    params: list[tuple[SelectParam, Any]] = []
    if reader.maybe(b" ("):
        from nmsd.imap.tables import TABLES  # the tables are made of the commands

        while True:
            param = TABLES.select_params.get(reader.keyword())
            if param is None:
                raise BadSyntax("Unknown parameter")
            params.append((param, param.parse(reader, session)))
            if reader.maybe(b")"):
                break
            reader.space()
    reader.end()
    return Arguments(name, old_name, tuple(params))


def _open(read_only: bool) -> Callable[[Session, Arguments], Answer]:
    def run(session: Session, arguments: Arguments) -> Answer:
        return select(session, arguments, read_only)

    return run


def select(session: Session, arguments: Arguments, read_only: bool) -> Answer:
    """Opens a mailbox: its size, flags and numbers, then what the parameters add."""
    read_only = read_only or session.is_anonymous
    if session.state == State.SELECTED:
        session.deselect()
        yield b"* OK [CLOSED] Previous mailbox is closed\r\n"  # even where the new one cannot be opened
    account = session.mail()
    stamp = session.shared.changes.stamp(account.name)
    mailbox = account.mailbox(arguments.name)
    mailbox, uids, first_unseen = account.snapshot(mailbox.id)
    if not read_only and mailbox.recent_uid < mailbox.uidnext:
        mailbox = replace(mailbox, recent_uid=session.claim_recent(mailbox.id, mailbox.recent_uid, mailbox.uidnext))
    view = View(mailbox, uids, read_only, stamp)
    session.select(view)
    yield b"".join(_describe(session, view, first_unseen, arguments.old_name))
    for param, value in arguments.params:
        yield from param.after(session, view, value)
    return Done(code=b"READ-ONLY" if read_only else b"READ-WRITE")


def _describe(session: Session, view: View, first_unseen: int, old_name: str) -> list[bytes]:
    lines = [flags_line(view.keywords)]
    if view.read_only:
        lines.append(b"* OK [PERMANENTFLAGS ()] No permanent flags permitted.\r\n")
    else:
        lines.append(permanent_flags_line(view.keywords))
    lines.append(b"* %d EXISTS\r\n" % len(view.uids))
    if session.is_recent_told():
        lines.append(b"* %d RECENT\r\n" % len(view.recent))
        if first_unseen:
            lines.append(b"* OK [UNSEEN %d] First unseen.\r\n" % view.seq(first_unseen))
    lines.append(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % view.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % view.uidnext)
    lines.append(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % view.modseq)
    if session.enabled & IMAP4REV2:
        # Its attributes must be right (§6.3.2), though few clients look at them here.
        attributes = Tree(session.mail().mailboxes(), []).attributes(view.name)
        lines.append(list_line(session, b"LIST", view.name, attributes, old_name=old_name))
    return lines


def _close(session: Session, arguments: None) -> Answer:
    yield from ()
    view = session.selected()
    try:
        if not view.read_only and session.mail().mailbox_by_id(view.mailbox_id).deleted:
            session.mail().expunge(view.mailbox_id, view.uids)
    except NoSuchMailbox:
        pass  # and with it went its messages
    session.deselect()
    return None


SELECT: Final = Command(b"SELECT", LOGGED_IN, _parse, _open(False), sync=Sync.NONE)
EXAMINE: Final = Command(b"EXAMINE", LOGGED_IN, _parse, _open(True), sync=Sync.NONE)
CLOSE: Final = Command(b"CLOSE", SELECTED, no_arguments, _close, sync=Sync.NONE)
