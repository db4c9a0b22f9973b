"""Content transfer encodings, undone (RFC 2045 §6)."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from typing import Final

IDENTITY: Final = frozenset(("", "7bit", "8bit", "binary"))

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(byte for byte in range(256) if byte not in _ALPHABET)

# White space before a line end was added on the way (RFC 2045 §6.7 rule 3); it also hides soft line breaks.
_TRAILING: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")


def decode_transfer(raw: bytes, encoding: str) -> bytes | None:
    """A body without its content transfer encoding, as well as broken input allows; None for an encoding that is not
    known (UNKNOWN-CTE, RFC 3516 §4.3)."""
    encoding = encoding.lower()
    if encoding in IDENTITY:
        return raw
    if encoding == "base64":
        return decode_base64(raw)
    if encoding == "quoted-printable":
        return decode_quoted_printable(raw)
    return None


def decode_base64(raw: bytes) -> bytes:
    """Base64 with all that is foreign in it skipped, several encoded pieces one after the other included."""
    if b"=" not in raw[:-6]:
        try:
            return a2b_base64(raw)
        except Error:
            pass
    pieces: list[bytes] = []
    for piece in raw.translate(None, _NOT_BASE64).split(b"="):
        excess = len(piece) % 4
        if excess == 1:  # six bits are no byte
            piece = piece[:-1]
        pieces.append(a2b_base64(piece + b"=="))
    return b"".join(pieces)


def decode_quoted_printable(raw: bytes) -> bytes:
    """Quoted-printable; what is no valid escape stands for itself."""
    if b" \r" in raw or b" \n" in raw or b"\t\r" in raw or b"\t\n" in raw or raw[-1:] in (b" ", b"\t"):
        raw = _TRAILING.sub(b"", raw)
    return a2b_qp(raw)
