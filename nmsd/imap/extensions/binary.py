"""BINARY (RFC 3516): parts without their content transfer encoding.  APPEND takes literal8 of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nmsd.imap.errors import No
from nmsd.imap.fetch.section import (
    PART_FIELDS,
    PART_LIMIT,
    STREAM_BYTES,
    Content,
    Partial,
    Section,
    read_partial,
    read_path,
    write_span,
    write_text,
)
from nmsd.imap.registry import Extension, FetchItem, FetchPart, FetchRow
from nmsd.imap.session import Session
from nmsd.mime.part import Part, unpack
from nmsd.mime.section import find, locate
from nmsd.mime.transfer import IDENTITY, decode_transfer
from nmsd.wire.reader import Reader


def _read_path(reader: Reader) -> tuple[int, ...]:
    path = read_path(reader)
    reader.expect(b"]")
    return path


def _parse(reader: Reader, session: Session) -> FetchPart:
    return _part(_read_path(reader), read_partial(reader), True)


def _parse_peek(reader: Reader, session: Session) -> FetchPart:
    return _part(_read_path(reader), read_partial(reader), False)


def _parse_size(reader: Reader, session: Session) -> FetchPart:
    path = _read_path(reader)
    name = b"BINARY.SIZE" + Section(path).write()

    def write(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        root = unpack(values[0])
        place = locate(root, path, "")
        size = 0
        if place is not None:
            encoding = _encoding(root, path)
            size = place[1]
            if encoding not in IDENTITY:
                decoded = _decode(Content(row, values[1], values[2]), place, encoding)
                size = 0 if decoded is None else len(decoded)
        yield name + b" %d" % size

    return FetchPart(name, PART_FIELDS, write=write, text_limit=PART_LIMIT)


def _part(path: tuple[int, ...], partial: Partial | None, seen: bool) -> FetchPart:
    name = b"BINARY" + Section(path).write()
    if partial is not None:
        name += b"<%d>" % partial.offset

    def write(row: FetchRow, values: tuple[Any, ...]) -> Iterator[bytes]:
        root = unpack(values[0])
        place = locate(root, path, "")
        if place is None:
            yield name + b" NIL"
            return
        content = Content(row, values[1], values[2])
        encoding = _encoding(root, path)
        if encoding in IDENTITY:
            offset, length = place if partial is None else partial.clip(place[0], place[1])
            yield from write_span(name, content, offset, length, b"~" if _has_nul(content, offset, length) else b"")
            return
        decoded = _decode(content, place, encoding)
        if decoded is None:
            yield name + b" NIL"
            return
        if partial is not None:
            decoded = partial.cut(decoded)
        if b"\0" in decoded:
            yield name + b" ~{%d}\r\n" % len(decoded)
            yield decoded
        else:
            yield from write_text(name, decoded)

    return FetchPart(name, PART_FIELDS, write=write, sets_seen=seen, text_limit=PART_LIMIT)


def _encoding(root: Part, path: tuple[int, ...]) -> str:
    """The part's content transfer encoding; of the message as a whole, and of what has parts in it, none."""
    part = find(root, path) if path else None
    if part is None or part.children or part.message is not None:
        return ""
    return part.encoding.lower()


def _decode(content: Content, place: tuple[int, int], encoding: str) -> bytes | None:
    decoded = decode_transfer(content.get(place[0], place[1]), encoding)
    if decoded is None and content.row.refusal is None:
        content.row.refusal = No("Unknown content transfer encoding", b"UNKNOWN-CTE")
    return decoded


def _has_nul(content: Content, offset: int, length: int) -> bool:
    while length > 0:
        piece = content.get(offset, min(length, STREAM_BYTES))
        if b"\0" in piece:
            return True
        offset += len(piece)
        length -= len(piece)
    return False


EXTENSION: Final[Extension] = Extension(
    3516,
    (b"BINARY",),
    fetch_items=(
        FetchItem(b"BINARY", _parse),
        FetchItem(b"BINARY.PEEK", _parse_peek),
        FetchItem(b"BINARY.SIZE", _parse_size),
    ),
)
