"""EXPUNGE (RFC 9051 §6.4.3, RFC 7162 §3.2.7); CLOSE, which tells nothing, is in commands.select."""

from __future__ import annotations

from typing import Final

from nmsd.imap.registry import Answer, Command, Done, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.imap.sync import modseq_code, tell_expunged
from nmsd.model.uidset import UidSet


def _run(session: Session, arguments: None) -> Answer:
    return (yield from expunge(session, session.writable().uids))


def expunge(session: Session, uids: UidSet) -> Answer:
    r"""Removes those of `uids` that carry \Deleted, and says so."""
    view = session.writable()
    account = session.mail()
    if not uids or not account.mailbox_by_id(view.mailbox_id).deleted:
        return None
    expunged = account.expunge(view.mailbox_id, uids)
    if not expunged.uids:
        return None
    yield b"".join(tell_expunged(session, view, expunged.uids))
    return Done(code=modseq_code(session, expunged.modseq))


EXPUNGE: Final = Command(b"EXPUNGE", SELECTED, no_arguments, _run)
