"""ENABLE (RFC 5161, RFC 9051 §6.3.1)."""

from __future__ import annotations

from typing import Final

from nmsd.imap.registry import Answer, Command
from nmsd.imap.session import Session
from nmsd.imap.state import LOGGED_IN
from nmsd.wire.reader import Reader


def _parse(reader: Reader, session: Session) -> list[bytes]:
    names: list[bytes] = []
    reader.space()
    names.append(reader.keyword())
    while reader.maybe_space():
        names.append(reader.keyword())
    reader.end()
    return names


def _run(session: Session, names: list[bytes]) -> Answer:
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    done: list[bytes] = []
    for name in names:
        bits = TABLES.enables.get(name, 0)
        if bits and name not in done:
            session.enabled |= bits
            done.append(name)
    yield b"* ENABLED" + b"".join(b" " + name for name in done) + b"\r\n"
    return None


ENABLE: Final = Command(b"ENABLE", LOGGED_IN, _parse, _run, inline=True)
