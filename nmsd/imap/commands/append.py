"""APPEND (RFC 9051 §6.3.12), with many messages at once (RFC 3502), APPENDUID (RFC 4315 §3) and NULs (RFC 3516)."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import Final

from nmsd.imap.errors import No
from nmsd.imap.flags import split_client_flags
from nmsd.imap.registry import Answer, Command, Done
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN
from nmsd.model.message import NO_QUOTA, Instant, NewMessage
from nmsd.model.uidset import UidSet
from nmsd.wire.dates import parse_date_time
from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Literal
from nmsd.wire.numberset import write_number_set
from nmsd.wire.reader import Reader


@dataclass(frozen=True)
class Arguments:
    """A mailbox, and the messages for it, at least one."""

    name: str
    messages: list[NewMessage]


def _parse(reader: Reader, session: Session) -> Arguments:
    reader.space()
    name = session.read_mailbox(reader)
    messages: list[NewMessage] = []
    while not messages or not reader.at_end():
        messages.append(_parse_message(reader, session))
    return Arguments(name, messages)


def _parse_message(reader: Reader, session: Session) -> NewMessage:
    reader.space()
    system_flags = 0
    keywords: tuple[str, ...] = ()
    if reader.peek() == b"(":
        # Programs that copy from one server to another send what they were told.
        names = [name for name in reader.flag_list() if name.lower() != "\\recent"]
        system_flags, keywords = split_client_flags(names)
        reader.space()
    if reader.peek() == b'"':
        date = parse_date_time(reader.string())
        reader.space()
    else:
        date = Instant(int(session.shared.now()))
    return NewMessage(_content(reader.literal()), date, system_flags, keywords)


def _content(literal: Literal) -> bytes | mmap:
    data = literal.data
    if not data:
        raise No("A message cannot be empty")
    if not literal.binary and data.find(b"\0") >= 0:
        raise BadSyntax("A message with NUL in it needs a literal8")
    return data


def _run(session: Session, arguments: Arguments) -> Answer:
    yield from ()
    mailbox = session.target(arguments.name)
    quota = NO_QUOTA if session.user is None else session.user.quota
    appended = session.mail().append(mailbox.id, arguments.messages, quota)
    uids = write_number_set(UidSet.of_sorted(appended.uids))
    return Done(code=b"APPENDUID %d %b" % (appended.uidvalidity, uids))


APPEND: Final = Command(b"APPEND", LOGGED_IN, _parse, _run, streams=True)
