"""COPY and UID COPY (RFC 9051 §6.4.7), with the COPYUID of RFC 4315."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command, Done, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.imap.sync import sync
from nmsd.imap.view import View
from nmsd.model.changes import Copied
from nmsd.model.uidset import UidSet
from nmsd.wire.numberset import write_number_set
from nmsd.wire.protocol import Output
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class CopyArguments:
    """Which messages go where."""

    uids: UidSet
    by_uid: bool
    target: str


def parse_copy(by_uid: bool) -> Callable[[Reader, Session], CopyArguments]:
    """The parser of COPY and MOVE."""

    def parse(reader: Reader, session: Session) -> CopyArguments:
        reader.space()
        messages = reader.number_set_text()
        reader.space()
        target = session.read_mailbox(reader)
        reader.end()
        return CopyArguments(session.chosen(messages, by_uid), by_uid, target)

    return parse


def existing(session: Session, view: View, arguments: CopyArguments) -> Generator[Output, None, UidSet]:
    """The messages that are still there.  Tells what else is new, so as to know.  Raises No if a sequence number is
    that of a message somebody else has expunged: all or nothing (RFC 2180 §4.4.1)."""
    yield from sync(session, False)
    left = arguments.uids - view.pending
    if left != arguments.uids and not arguments.by_uid:
        raise No("Some of the messages no longer exist", b"EXPUNGEISSUED")
    return left


def copyuid(copied: Copied) -> bytes:
    """The response code COPYUID (RFC 4315 §3); b'' where nothing was copied."""
    if not copied.pairs:
        return b""
    there = UidSet.of_sorted(source for source, _target in copied.pairs)
    here = UidSet.of_sorted(target for _source, target in copied.pairs)
    return b"COPYUID %d %s %s" % (copied.uidvalidity, write_number_set(there), write_number_set(here))


def _run(session: Session, arguments: CopyArguments) -> Answer:
    view = session.selected()
    target = session.target(arguments.target)
    uids = yield from existing(session, view, arguments)
    if not uids:
        return Done("No messages copied")
    assert session.user is not None
    copied = session.mail().copy(view.mailbox_id, uids, target.id, session.user.quota)
    return Done(code=copyuid(copied))


# Clients pipeline COPY and STORE on the same numbers, so these stay what they are.
COPY: Final = Command(b"COPY", SELECTED, parse_copy(False), _run, sync=Sync.NO_EXPUNGE)
UID_COPY: Final = Command(b"UID COPY", SELECTED, parse_copy(True), _run)
