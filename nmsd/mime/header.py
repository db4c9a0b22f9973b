"""Header fields: finding, choosing, unfolding and decoding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def iter_fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, raw value with its folds, without its last line end) of each field, in order.  Lines that are no field are
    skipped."""
    raise NotImplementedError


def select_fields(header: bytes, names: Sequence[bytes], exclude: bool) -> bytes:
    """The fields with these names (with `exclude`: the others), just as they stand, in order, and the empty line
    (HEADER.FIELDS and HEADER.FIELDS.NOT, RFC 3501 §6.4.5).  Names compare without case."""
    raise NotImplementedError


def unfold(value: bytes) -> bytes:
    """A field's value on one line (RFC 5322 §2.2.3), without white space around it."""
    raise NotImplementedError


def decode_words(value: bytes) -> str:
    """An unfolded value as text, encoded words (RFC 2047) decoded; raw 8-bit is taken as UTF-8, else Windows-1252."""
    raise NotImplementedError


def field_texts(header: bytes, name: bytes) -> list[str]:
    """The decoded values of all fields with this name, in order."""
    raise NotImplementedError
