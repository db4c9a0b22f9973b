"""UIDPLUS (RFC 4315, RFC 9051 §6.4.9): UID EXPUNGE.  COPYUID and APPENDUID are in the commands that copy and append."""

from __future__ import annotations

from typing import Final

from nmsd.imap.commands.expunge import expunge
from nmsd.imap.registry import Command, Extension
from nmsd.imap.session import Session
from nmsd.imap.state import SELECTED
from nmsd.model.uidset import UidSet
from nmsd.wire.reader import Reader


def _parse(reader: Reader, session: Session) -> UidSet:
    reader.space()
    uids = session.chosen(reader.number_set_text(), True)
    reader.end()
    return uids


EXTENSION: Final[Extension] = Extension(
    4315, (b"UIDPLUS",), commands=(Command(b"UID EXPUNGE", SELECTED, _parse, expunge),)
)
