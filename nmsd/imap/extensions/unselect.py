"""UNSELECT (RFC 3691, RFC 9051 §6.4.2)."""

from typing import Final

from nmsd.imap.registry import Answer, Command, Extension, Sync, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED


def _run(session: Session, arguments: None) -> Answer:
    yield from ()
    session.deselect()
    return None


EXTENSION: Final[Extension] = Extension(
    3691, (b"UNSELECT",), commands=(Command(b"UNSELECT", SELECTED, no_arguments, _run, sync=Sync.NONE),)
)
