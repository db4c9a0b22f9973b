"""Commands about the session: LHLO (RFC 2033 §4.1); NOOP, RSET, VRFY, HELP, QUIT (RFC 5321 §4.1.1); STARTTLS (RFC
3207)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from nmsd.config.services import MAX_MESSAGE_SIZE
from nmsd.lmtp.registry import Answer, Command
from nmsd.lmtp.reply import Refusal
from nmsd.lmtp.session import Session
from nmsd.lmtp.state import ANY, Event
from nmsd.wire.protocol import Control

_HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]\x80-\xff-]{1,255}\Z")


def keywords(session: Session) -> Iterator[str]:
    """What LHLO offers."""
    yield "PIPELINING"
    yield "8BITMIME"
    yield "SMTPUTF8"
    yield "CHUNKING"
    yield "ENHANCEDSTATUSCODES"
    yield f"SIZE {session.shared.config[MAX_MESSAGE_SIZE]}"
    if session.may_start_tls():
        yield "STARTTLS"


def _lhlo(session: Session, argument: bytes) -> Answer:
    host = argument.strip()
    if _HOST.match(host) is None:
        raise Refusal(501, "5.5.4", "Syntax: LHLO host", counts=True)
    session.reset()
    session.helo = host.decode("utf-8", "replace")
    session.move(Event.HELLO)
    lines = [session.shared.host, *keywords(session)]
    yield b"".join(b"250-" + line.encode("ascii", "replace") + b"\r\n" for line in lines[:-1])
    yield b"250 " + lines[-1].encode("ascii", "replace") + b"\r\n"


def _not_smtp(session: Session, argument: bytes) -> Answer:
    raise Refusal(500, "5.5.1", "This is LMTP; say LHLO", counts=True)  # RFC 2033 §4.1: it must be refused
    yield b""


def _noop(session: Session, argument: bytes) -> Answer:
    yield b"250 2.0.0 OK\r\n"


def _rset(session: Session, argument: bytes) -> Answer:
    session.reset()
    session.move(Event.RESET)
    yield b"250 2.0.0 OK\r\n"


def _vrfy(session: Session, argument: bytes) -> Answer:
    yield b"252 2.0.0 Send RCPT to learn whether mail is taken\r\n"


def _expn(session: Session, argument: bytes) -> Answer:
    raise Refusal(502, "5.5.1", "There are no lists here")
    yield b""


def _help(session: Session, argument: bytes) -> Answer:
    yield b"214 2.0.0 See RFC 2033 and RFC 5321\r\n"


def _starttls(session: Session, argument: bytes) -> Answer:
    if not session.may_start_tls():
        raise Refusal(502, "5.5.1", "TLS is not available here", counts=True)
    yield b"220 2.0.0 Begin TLS negotiation\r\n"
    yield Control.START_TLS


def _quit(session: Session, argument: bytes) -> Answer:
    session.reset()
    session.move(Event.END)
    yield b"221 2.0.0 Goodbye\r\n"
    yield Control.CLOSE


COMMANDS: Final = (
    Command(b"LHLO", ANY, _lhlo),
    Command(b"HELO", ANY, _not_smtp),
    Command(b"EHLO", ANY, _not_smtp),
    Command(b"NOOP", ANY, _noop),
    Command(b"RSET", ANY, _rset, bare=True),
    Command(b"VRFY", ANY, _vrfy),  # RFC 5321 §4.1.4: even before LHLO
    Command(b"EXPN", ANY, _expn),
    Command(b"HELP", ANY, _help),
    Command(b"STARTTLS", ANY, _starttls, bare=True),
    Command(b"QUIT", ANY, _quit, bare=True),
)
