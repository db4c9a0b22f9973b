"""ID (RFC 2971)."""

from __future__ import annotations

from typing import Final

from nmsd import PRODUCT, VERSION
from nmsd.imap.registry import Answer, Command, Extension
from nmsd.imap.session import Session
from nmsd.imap.state import ANY
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader
from nmsd.wire.write import write_quoted

_PAIRS_MAX: Final = 30
_FIELD_MAX: Final = 30
_VALUE_MAX: Final = 1024


def _parse(reader: Reader, session: Session) -> list[tuple[str, str]]:
    reader.space()
    pairs: list[tuple[str, str]] = []
    if not reader.maybe(b"("):
        if reader.maybe_keyword() != b"NIL":
            raise BadSyntax("Expected a list or NIL")
        reader.end()
        return pairs
    while not reader.maybe(b")"):
        if pairs:
            reader.space()
        name = reader.string()
        reader.space()
        value = reader.nstring() or b""
        # The bounds of RFC 2971 §3.3.
        if len(name) > _FIELD_MAX or len(value) > _VALUE_MAX or len(pairs) >= _PAIRS_MAX:
            raise BadSyntax("ID list too long")
        pairs.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))
    reader.end()
    return pairs


def _run(session: Session, pairs: list[tuple[str, str]]) -> Answer:
    if pairs:
        told = ", ".join(f"{name}={value}" for name, value in pairs)
        session.shared.log("Information", "Protocol", "client ID", session=session.id, id=told)
    product = write_quoted(PRODUCT.encode("ascii"))
    yield b'* ID ("name" ' + product + b' "version" ' + write_quoted(VERSION.encode("ascii")) + b")\r\n"
    return None


EXTENSION: Final[Extension] = Extension(2971, (b"ID",), commands=(Command(b"ID", ANY, _parse, _run, inline=True),))
