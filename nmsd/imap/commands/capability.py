"""CAPABILITY (RFC 9051 §6.1.1)."""

from typing import Final

from nmsd.imap.registry import Answer, Command, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import ANY


def run(session: Session, arguments: None) -> Answer:
    """Lists what the server can do for this session now."""
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    yield b"* CAPABILITY " + TABLES.capabilities(session) + b"\r\n"
    return None


CAPABILITY: Final = Command(b"CAPABILITY", ANY, no_arguments, run, inline=True)
