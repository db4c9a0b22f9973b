"""SASL mechanisms, without I/O."""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from nmsd.wire.errors import BadSyntax


@dataclass(frozen=True)
class Plain:
    """What a PLAIN response says (RFC 4616 §2): act as `authorize` ('' : as oneself), being `login`."""

    authorize: str
    login: str
    password: str


def decode_response(line: bytes) -> bytes:
    """A client's base64 line as bytes; "=" alone is the empty response (RFC 4959 §3).  Raises BadSyntax."""
    if line == b"=":
        return b""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64 in SASL response") from None


def parse_plain(response: bytes) -> Plain:
    """authzid NUL authcid NUL passwd in UTF-8.  Raises BadSyntax."""
    pieces = response.split(b"\0")
    if len(pieces) != 3 or not pieces[1]:
        raise BadSyntax("Invalid PLAIN response")
    try:
        authorize, login, password = (piece.decode() for piece in pieces)
    except UnicodeDecodeError:
        raise BadSyntax("PLAIN response is not UTF-8") from None
    return Plain(authorize, login, password)
