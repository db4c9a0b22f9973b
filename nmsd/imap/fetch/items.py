"""The FETCH items every server has (RFC 9051 §6.4.5, RFC 3501 §6.4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmsd.imap.fetch.section import Section, body_part, read_body
from nmsd.imap.registry import FetchItem, FetchPart
from nmsd.imap.session import Session
from nmsd.model.message import Field
from nmsd.wire.reader import Reader

UID: Final = FetchPart(b"UID", (), b"UID %d")
FLAGS: Final = FetchPart(b"FLAGS", (Field.FLAGS,), b"FLAGS %b")
_BODY: Final = FetchPart(b"BODY", (Field.BODY,), b"BODY %b")
_HEADER: Final = Section(what="HEADER")
_TEXT: Final = Section(what="TEXT")

MACROS: Final[dict[bytes, tuple[bytes, ...]]] = {
    b"ALL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"),
    b"FAST": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
    b"FULL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"),
}


def plain(part: FetchPart) -> Callable[[Reader, Session], FetchPart]:
    """The parser of an item that takes nothing after its name."""
    return lambda reader, session: part


def _parse_body(reader: Reader, session: Session) -> FetchPart:
    return read_body(reader, True) if reader.peek() == b"[" else _BODY


def _parse_peek(reader: Reader, session: Session) -> FetchPart:
    return read_body(reader, False)


def _item(name: bytes, template: bytes, field: Field) -> FetchItem:
    return FetchItem(name, plain(FetchPart(name, (field,), name + b" " + template)))


ITEMS: Final[tuple[FetchItem, ...]] = (
    FetchItem(b"UID", plain(UID)),
    FetchItem(b"FLAGS", plain(FLAGS)),
    _item(b"INTERNALDATE", b'"%b"', Field.INTERNAL_DATE),
    _item(b"RFC822.SIZE", b"%d", Field.SIZE),
    _item(b"ENVELOPE", b"%b", Field.ENVELOPE),
    _item(b"BODYSTRUCTURE", b"%b", Field.BODYSTRUCTURE),
    FetchItem(b"BODY", _parse_body),
    FetchItem(b"BODY.PEEK", _parse_peek),
    FetchItem(b"RFC822", plain(body_part(b"RFC822", Section(), None, True))),
    FetchItem(b"RFC822.HEADER", plain(body_part(b"RFC822.HEADER", _HEADER, None, False))),
    FetchItem(b"RFC822.TEXT", plain(body_part(b"RFC822.TEXT", _TEXT, None, True))),
)
