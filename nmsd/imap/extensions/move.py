"""MOVE and UID MOVE (RFC 6851, RFC 9051 §6.4.8)."""

from __future__ import annotations

from typing import Final

from nmsd.imap.commands.copy import CopyArguments, copyuid, existing, parse_copy
from nmsd.imap.registry import Answer, Command, Done, Extension
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.imap.sync import modseq_code, tell_expunged
from nmsd.model.uidset import UidSet


def _run(session: Session, arguments: CopyArguments) -> Answer:
    view = session.writable()
    target = session.target(arguments.target)
    uids = yield from existing(session, view, arguments)
    if not uids:
        return Done("No messages moved")
    moved = session.mail().move(view.mailbox_id, uids, target.id)
    if not moved.pairs:
        return Done("No messages moved")
    yield b"* OK [" + copyuid(moved) + b"] Moved\r\n"
    yield b"".join(tell_expunged(session, view, UidSet.of_sorted(source for source, _target in moved.pairs)))
    return Done(code=modseq_code(session, moved.modseq))


EXTENSION: Final[Extension] = Extension(
    6851,
    (b"MOVE",),
    commands=(
        Command(b"MOVE", SELECTED, parse_copy(False), _run),
        Command(b"UID MOVE", SELECTED, parse_copy(True), _run),
    ),
)
