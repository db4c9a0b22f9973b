"""The text of a message, for search and for BINARY."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

from nmsd.mime.charsets import decode_charset
from nmsd.mime.fold import normalise
from nmsd.mime.header import decode_words, iter_fields, unfold
from nmsd.mime.parts import Part
from nmsd.mime.transfer import decode_transfer

__all__ = ["body_text", "decode_charset", "decode_transfer", "header_text", "normalise"]


def header_text(header: bytes) -> str:
    """All fields decoded, a line each, names included (SEARCH TEXT)."""
    return "".join(
        [f"{name.decode('latin-1')}: {decode_words(unfold(value))}\n" for name, value in iter_fields(header)]
    )


def body_text(data: bytes | mmap, root: Part) -> Iterator[str]:
    """The decoded text of each text part (message/delivery-status and its like included) and the header of each nested
    message, in order (SEARCH BODY).  Never raises."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        nested = part.message
        if nested is not None:
            yield header_text(data[nested.header_offset : nested.header_offset + nested.header_size])
            waiting.append(nested)
        elif part.children:
            waiting.extend(reversed(part.children))
        elif part.type == "text" or part.type == "message":
            raw = data[part.body_offset : part.body_offset + part.body_size]
            decoded = decode_transfer(raw, part.encoding)
            yield decode_charset(raw if decoded is None else decoded, part.charset)
