"""IDLE (RFC 2177, RFC 9051 §6.3.13)."""

from __future__ import annotations

from typing import Final

from nmsd.imap.registry import Answer, Command, Continue, Extension, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN
from nmsd.wire.errors import BadSyntax


def _run(session: Session, arguments: None) -> Answer:
    yield b"+ idling\r\n"
    return Continue(_done, inline=True, resume=True)


def _done(session: Session, line: bytes) -> Answer:
    yield from ()
    if line.upper() != b"DONE":
        raise BadSyntax("Expected DONE")
    return None


EXTENSION: Final[Extension] = Extension(
    2177, (b"IDLE",), commands=(Command(b"IDLE", LOGGED_IN, no_arguments, _run, inline=True),)
)
