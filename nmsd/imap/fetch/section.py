"""Sections and partials of BODY[] and BINARY[]: their syntax, and their bytes in a message (RFC 9051 §6.4.5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from nmsd.imap.errors import Bye
from nmsd.imap.registry import FetchPart, FetchRow
from nmsd.mime.header import select_fields
from nmsd.mime.part import unpack
from nmsd.mime.section import locate
from nmsd.model.message import Field
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader
from nmsd.wire.write import write_astring

STREAM_BYTES: Final = 1 << 16
"""How much of a long text is read, and may be sent, at a time."""

_WHOLE_LIMIT: Final = 1 << 18
"""Messages up to this long are got from the store whole; the text of longer ones is read piece by piece."""

PART_LIMIT: Final = 1 << 15
"""Where only a part is wanted, messages up to this long are got whole: many of them at once is cheaper than to find
the part's place in each, and then read it."""

PART_FIELDS: Final = (Field.PARTS, Field.HEADER, Field.TEXT)
_TEXTS: Final = ("HEADER", "TEXT", "MIME")
_NUMBER64_MAX: Final = (1 << 63) - 1


class Gone(Exception):
    """The message being fetched was expunged before anything of it was sent."""


@dataclass(frozen=True)
class Section:
    """A section: part numbers, then '', HEADER, TEXT or MIME; `names` where only some of the header's fields are meant
    (with `exclude`: all others)."""

    path: tuple[int, ...] = ()
    what: str = ""
    names: tuple[bytes, ...] = ()
    exclude: bool = False

    def write(self) -> bytes:
        """As it stands in the answer, brackets included."""
        pieces = [b"%d" % number for number in self.path]
        if self.names:
            fields = b" ".join([write_astring(name) for name in self.names])
            pieces.append((b"HEADER.FIELDS.NOT (%b)" if self.exclude else b"HEADER.FIELDS (%b)") % fields)
        elif self.what:
            pieces.append(self.what.encode("ascii"))
        return b"[" + b".".join(pieces) + b"]"


@dataclass(frozen=True)
class Partial:
    """A stretch of a text: at most `length` bytes from `offset` on."""

    offset: int
    length: int

    def cut(self, text: bytes) -> bytes:
        """The stretch."""
        return text[self.offset : self.offset + self.length]

    def clip(self, offset: int, length: int) -> tuple[int, int]:
        """The stretch of a text that itself is one of the message's: its (offset, length) there."""
        start = min(self.offset, length)
        return offset + start, min(self.length, length - start)


class Content:
    """The bytes of the message being fetched: with `text` all of it is at hand, without it is read in the store."""

    __slots__ = ("header", "row", "text")

    def __init__(self, row: FetchRow, header: bytes, text: bytes | None) -> None:
        self.row = row
        self.header = header
        self.text = text

    def get(self, offset: int, length: int) -> bytes:
        """A stretch of it.  Raises Gone."""
        start = len(self.header)
        end = offset + length
        if end <= start:
            return self.header[offset:end]
        text = self.text
        if text is None:
            piece = self.row.read(offset, length)
        elif offset >= start:
            piece = text[offset - start : end - start]
        else:
            piece = self.header[offset:] + text[: end - start]
        if len(piece) != length:
            raise Gone
        return piece


def read_section(reader: Reader) -> Section:
    """A section in brackets."""
    path = read_path(reader)
    if reader.maybe(b"]"):
        return Section(path)
    if path:
        reader.expect(b".")
    name = reader.item_name().decode("ascii")
    names: list[bytes] = []
    if name in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        reader.expect(b" (")
        while True:
            names.append(reader.astring())
            if reader.maybe(b")"):
                break
            reader.space()
    elif name not in _TEXTS or (name == "MIME" and not path):
        raise BadSyntax("Unknown section " + name)
    reader.expect(b"]")
    return Section(path, "HEADER" if names else name, tuple(names), name == "HEADER.FIELDS.NOT")


def read_path(reader: Reader) -> tuple[int, ...]:
    """The opening bracket and part numbers with dots between them, maybe none."""
    reader.expect(b"[")
    path: list[int] = []
    while reader.peek().isdigit():
        path.append(reader.nonzero())
        if not reader.maybe_dot_digit():
            break
    return tuple(path)


def read_partial(reader: Reader) -> Partial | None:
    """A partial in angle brackets, if there is one."""
    if not reader.maybe(b"<"):
        return None
    offset = reader.number(_NUMBER64_MAX)
    reader.expect(b".")
    length = reader.nonzero(_NUMBER64_MAX)
    reader.expect(b">")
    return Partial(offset, length)


def read_body(reader: Reader, seen: bool) -> FetchPart:
    """BODY's and BODY.PEEK's section and partial."""
    section = read_section(reader)
    return body_part(b"BODY" + section.write(), section, read_partial(reader), seen)


def body_part(name: bytes, section: Section, partial: Partial | None, seen: bool) -> FetchPart:
    """The FETCH part that gives a section of a message, under this name."""
    if partial is not None:
        name += b"<%d>" % partial.offset
    if section.names:
        return _fields_part(name, section, partial, seen)
    if not section.path and section.what == "HEADER":

        def header(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
            text: bytes = values[0]
            yield from write_text(name, text if partial is None else partial.cut(text))

        return FetchPart(name, (Field.HEADER,), write=header, sets_seen=seen)
    if not section.path and partial is None:
        return _content_part(name, bool(section.what), seen)

    def located(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        place = locate(unpack(values[0]), section.path, section.what)
        if place is None:
            yield name + b" NIL"
            return
        offset, length = place if partial is None else partial.clip(place[0], place[1])
        yield from write_span(name, Content(row, values[1], values[2]), offset, length)

    return FetchPart(name, PART_FIELDS, write=located, sets_seen=seen, text_limit=PART_LIMIT)


def _content_part(name: bytes, text_only: bool, seen: bool) -> FetchPart:
    """The whole message, or all after its header."""

    def content(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        size: int = values[0]
        header: bytes = values[1]
        text: bytes | None = values[2]
        if text is None:
            start = len(header) if text_only else 0
            yield from write_span(name, Content(row, header, text), start, size - start)
        elif text_only:
            yield from write_text(name, text)
        else:
            yield name + b" {%d}\r\n" % size
            yield without_nul(header)
            yield without_nul(text)

    fields = (Field.SIZE, Field.HEADER, Field.TEXT)
    return FetchPart(name, fields, write=content, sets_seen=seen, text_limit=_WHOLE_LIMIT)


def _fields_part(name: bytes, section: Section, partial: Partial | None, seen: bool) -> FetchPart:
    """Some of the fields of a header."""

    def nested(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        place = locate(unpack(values[0]), section.path, "HEADER")
        if place is None:
            yield name + b" NIL"
        else:
            yield from chosen(Content(row, values[1], values[2]).get(place[0], place[1]))

    def own(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        return chosen(values[0])

    def chosen(header: bytes) -> Iterator[bytes]:
        text = select_fields(header, section.names, section.exclude)
        return write_text(name, text if partial is None else partial.cut(text))

    if section.path:
        return FetchPart(name, PART_FIELDS, write=nested, sets_seen=seen, text_limit=PART_LIMIT)
    return FetchPart(name, (Field.HEADER,), write=own, sets_seen=seen)


def without_nul(text: bytes) -> bytes:
    """`text` as a literal may hold it: NUL has no place in one (RFC 9051 §4.3.1, §9).  Each is told as 0x80, as Dovecot
    does, so that sizes and offsets stay right; what is stored comes whole in BINARY's literal8."""
    return text.replace(b"\0", b"\x80")


def write_text(name: bytes, text: bytes) -> Iterator[bytes]:
    """An item whose value is `text`, as a literal; an empty one quoted."""
    if text:
        yield name + b" {%d}\r\n" % len(text)
        yield without_nul(text)
    else:
        yield name + b' ""'


def write_span(name: bytes, content: Content, offset: int, length: int, binary: bytes = b"") -> Iterator[bytes]:
    """An item whose value is a stretch of the message, read and given piece by piece if it is long.  `binary` goes
    before the literal ("~" makes it a literal8).  Raises Gone; Bye, as there is no other way out of a literal half
    sent."""
    if not length:
        yield name + b' ""'
        return
    piece = content.get(offset, min(length, STREAM_BYTES) if content.text is None else length)
    yield name + b" %b{%d}\r\n" % (binary, length)
    yield piece if binary else without_nul(piece)
    left = length - len(piece)
    while left > 0:
        piece = content.row.read(offset + length - left, min(left, STREAM_BYTES))
        if not piece:
            raise Bye("A message was expunged while it was being sent")
        yield piece if binary else without_nul(piece)
        left -= len(piece)
