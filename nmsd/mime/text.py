"""The text of a message, for search and for BINARY."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

from nmsd.mime.parts import Part


def header_text(header: bytes) -> str:
    """All fields decoded, a line each, names included (SEARCH TEXT)."""
    raise NotImplementedError


def body_text(data: bytes | mmap, root: Part) -> Iterator[str]:
    """The decoded text of each text part, and the header of each nested message and part (SEARCH BODY), in order."""
    raise NotImplementedError


def decode_transfer(raw: bytes, encoding: str) -> bytes | None:
    """A body without its content transfer encoding, as well as broken input allows; None for an encoding that is not
    known (UNKNOWN-CTE, RFC 3516 §4.3)."""
    raise NotImplementedError


def decode_charset(raw: bytes, charset: str) -> str:
    """Bytes as text.  An unknown or missing charset, and ASCII that is none, is taken as UTF-8, else Windows-1252."""
    raise NotImplementedError


def normalise(text: str) -> str:
    """The one folding used on both sides of every search: NFKD, then upper case.

    It finds what i;unicode-casemap (RFC 5051) finds, and besides "ss" for "ß".  It works character by character, so a
    substring stays a substring.
    """
    raise NotImplementedError
