"""NOOP (RFC 9051 §6.1.2) and CHECK (RFC 3501 §6.4.1): nothing, but a chance to hear of changes."""

from typing import Final

from nmsd.imap.registry import Answer, Command, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import ANY, SELECTED


def run(session: Session, arguments: None) -> Answer:
    """Does nothing; what is new is told before the tagged answer, as after any command."""
    yield from ()
    return None


NOOP: Final = Command(b"NOOP", ANY, no_arguments, run, inline=True)
CHECK: Final = Command(b"CHECK", SELECTED, no_arguments, run, inline=True)
