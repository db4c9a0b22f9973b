"""NAMESPACE (RFC 2342, RFC 9051 §6.3.10)."""

from typing import Final

from nmsd.imap.registry import Answer, Command, Extension, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN


def _run(session: Session, arguments: None) -> Answer:
    yield b'* NAMESPACE (("" "/")) NIL NIL\r\n'
    return None


EXTENSION: Final[Extension] = Extension(
    2342, (b"NAMESPACE",), commands=(Command(b"NAMESPACE", LOGGED_IN, no_arguments, _run, inline=True),)
)
