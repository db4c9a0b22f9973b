"""What a search found, and the untagged lines that tell it (RFC 3501 §7.2.5, RFC 9051 §7.3.4, RFC 4731)."""

from __future__ import annotations

from typing import Any

from nmsd.imap.registry import Found, ReturnOption
from nmsd.imap.session import Session
from nmsd.model.message import Field
from nmsd.model.uidset import UidSet

Returns = tuple[tuple[ReturnOption, Any], ...]


def shown(found: Found, returns: Returns) -> UidSet:
    """The UIDs the client sees: what SAVE keeps (RFC 5182 §2.4), and what MODSEQ is the highest of (RFC 4731 §3.2)."""
    uids = UidSet()
    shows = False
    for option, value in returns:
        if option.shows is not None:
            shows = True
            uids = uids | option.shows(found, value)
    return uids if shows else found.uids


def search_line(found: Found, modseq: int) -> bytes:
    """The SEARCH answer of IMAP4rev1.  `modseq` is the highest of the messages, 0 not to tell."""
    numbers = tuple(found.numbers().to_list())
    line = b"* SEARCH" + b" %d" * len(numbers) % numbers  # at one go, in half the time
    return line + (b" (MODSEQ %d)\r\n" % modseq if modseq else b"\r\n")


def esearch_line(session: Session, found: Found, returns: Returns, modseq: int) -> bytes:
    """The ESEARCH answer; b'' where SAVE alone was asked for."""
    if returns and all(option.shows is None for option, _value in returns):
        return b""
    line = b'* ESEARCH (TAG "' + session.tag + b'")'
    if found.by_uid:
        line += b" UID"
    for option, value in returns:
        if option.item is not None:
            line += option.item(found, value)
    return line + (b" MODSEQ %d\r\n" % modseq if modseq else b"\r\n")


def highest_modseq(session: Session, uids: UidSet) -> int:
    """The highest modseq of messages in the selected mailbox; 0 if there are none."""
    highest = 0
    for rows in session.mail().fetch(session.selected().mailbox_id, uids, (Field.MODSEQ,)):
        for _uid, modseq in rows:
            highest = max(highest, modseq)
    return highest
