"""LOGOUT (RFC 9051 §6.1.3)."""

from typing import Final

from nmsd.imap.registry import Answer, Command, Sync, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import ANY, Event, State


def run(session: Session, arguments: None) -> Answer:
    """Says BYE; the conversation closes after the tagged answer."""
    yield b"* BYE Logging out\r\n"
    if session.state == State.SELECTED:
        session.deselect()
    session.move(Event.END)
    return None


LOGOUT: Final = Command(b"LOGOUT", ANY, no_arguments, run, sync=Sync.NONE)
