"""Commands of the TRANSACTION state (RFC 1939 §5, §7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from nmsd.pop3.errors import Err
from nmsd.pop3.maildrop import Gone
from nmsd.pop3.multiline import Stuffer
from nmsd.pop3.registry import Answer, Command
from nmsd.pop3.session import Session
from nmsd.pop3.settings import UTF8_HEADERS
from nmsd.pop3.state import TRANSACTION
from nmsd.wire.protocol import Control

_NUMBER: Final = re.compile(rb"[0-9]{1,10}\Z")
_LISTING_LINES: Final = 1000
"""A listing goes out in pieces of so many lines."""

_ASCII_ONLY: Final = bytes(range(128)) + b"?" * 128


def _number(argument: bytes) -> int:
    if _NUMBER.match(argument) is None:
        raise Err("Invalid number", counts=True)
    return int(argument)


def _message(session: Session, argument: bytes) -> int:
    number = _number(argument)
    if not session.maildrop.has(number):
        raise Err("Message is deleted" if session.maildrop.is_deleted(number) else "No such message")
    return number


def _stat(session: Session, arguments: list[bytes]) -> Answer:
    yield b"+OK %d %d\r\n" % session.maildrop.totals()


def _list(session: Session, arguments: list[bytes]) -> Answer:
    maildrop = session.maildrop
    return _listing(session, arguments, lambda number: b"%d %d" % (number, maildrop.size(number)))


def _uidl(session: Session, arguments: list[bytes]) -> Answer:
    maildrop = session.maildrop
    return _listing(session, arguments, lambda number: b"%d %b" % (number, maildrop.unique_id(number)))


def _listing(session: Session, arguments: list[bytes], line: Callable[[int], bytes]) -> Answer:
    if arguments:
        yield b"+OK " + line(_message(session, arguments[0])) + b"\r\n"
        return
    yield b"+OK %d messages (%d octets)\r\n" % session.maildrop.totals()
    numbers = session.maildrop.numbers()
    for start in range(0, len(numbers), _LISTING_LINES):
        yield b"".join(line(number) + b"\r\n" for number in numbers[start : start + _LISTING_LINES])
    yield b".\r\n"


def _retr(session: Session, arguments: list[bytes]) -> Answer:
    number = _message(session, arguments[0])
    status = b"+OK %d octets\r\n" % session.maildrop.size(number)
    yield from _send(session, number, status, None)
    session.maildrop.note_retrieved(number)


def _top(session: Session, arguments: list[bytes]) -> Answer:
    number = _message(session, arguments[0])
    yield from _send(session, number, b"+OK Top of message follows\r\n", _number(arguments[1]))


def _send(session: Session, number: int, status: bytes, lines: int | None) -> Answer:
    """The message, or only its header and so many lines of its body."""
    maildrop = session.maildrop
    try:
        header = maildrop.header(number)
    except Gone:
        raise Err("Message is gone") from None
    stuffer = Stuffer()
    offset = len(header)
    yield status + stuffer.write(_presentable(session, header))
    while lines is None or lines > 0:
        piece: bytes | None = None
        try:
            piece = maildrop.read(number, offset)
        except Gone:
            pass
        if piece is None:
            # The end mark would make half a message look whole.
            yield Control.CLOSE
            return
        if not piece:
            break
        offset += len(piece)
        if lines is not None:
            piece, lines = _first_lines(piece, lines)
        yield stuffer.write(piece)
    yield stuffer.end()


def _presentable(session: Session, header: bytes) -> bytes:
    """The header as this client may see it (RFC 6856 §2.1), in the same number of bytes.  Raises Err."""
    if session.utf8 or header.isascii():
        return header
    policy = session.shared.config[UTF8_HEADERS]
    if policy == "refuse":
        raise Err("Message needs UTF8 mode", b"UTF8")
    return header.translate(_ASCII_ONLY) if policy == "surrogate" else header


def _first_lines(piece: bytes, lines: int) -> tuple[bytes, int]:
    """At most so many lines of the piece, and how many are still wanted after it."""
    count = piece.count(b"\n")
    if count < lines:
        return piece, lines - count
    end = -1
    for _ in range(lines):
        end = piece.find(b"\n", end + 1)
    return piece[: end + 1], 0


def _dele(session: Session, arguments: list[bytes]) -> Answer:
    number = _message(session, arguments[0])
    if session.maildrop.read_only:
        raise Err("Anonymous users may look at mail, and no more")
    session.maildrop.delete(number)
    yield b"+OK Message %d deleted\r\n" % number


def _rset(session: Session, arguments: list[bytes]) -> Answer:
    session.maildrop.reset()
    yield b"+OK Maildrop has %d messages (%d octets)\r\n" % session.maildrop.totals()


def _noop(session: Session, arguments: list[bytes]) -> Answer:
    yield b"+OK\r\n"


COMMANDS: Final[tuple[Command, ...]] = (
    Command(b"STAT", TRANSACTION, _stat, inline=True),
    Command(b"LIST", TRANSACTION, _list, most=1),
    Command(b"UIDL", TRANSACTION, _uidl, most=1),
    Command(b"RETR", TRANSACTION, _retr, least=1, most=1),
    Command(b"TOP", TRANSACTION, _top, least=2, most=2),
    Command(b"DELE", TRANSACTION, _dele, least=1, most=1, inline=True),
    Command(b"RSET", TRANSACTION, _rset, inline=True),
    Command(b"NOOP", TRANSACTION, _noop, inline=True),
)
