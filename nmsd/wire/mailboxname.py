"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3) and UTF-8 (RFC 9051 §5.1, RFC 6855)."""

from __future__ import annotations

import binascii
import re
from typing import Final

from nmsd.wire.errors import BadSyntax
from nmsd.wire.write import write_string

_RUN: Final = re.compile(r"[^\x20-\x7e]+|&")
_ENCODED: Final = re.compile(rb"&([^-]*)-")


def encode_utf7(name: str) -> bytes:
    """A name in modified UTF-7."""
    return _RUN.sub(_encode_run, name).encode("ascii")


def _encode_run(found: re.Match[str]) -> str:
    run = found.group()
    if run == "&":
        return "&-"
    encoded = binascii.b2a_base64(run.encode("utf-16-be"), newline=False)
    return "&" + encoded.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode_utf7(name: bytes) -> str:
    """A name out of modified UTF-7.  Raises BadSyntax for 8-bit bytes, bad base64 and odd UTF-16."""
    pieces: list[str] = []
    position = 0
    try:
        for found in _ENCODED.finditer(name):
            pieces.append(_plain(name[position : found.start()]))
            pieces.append(_decode_run(found.group(1)))
            position = found.end()
        pieces.append(_plain(name[position:]))
    except (UnicodeDecodeError, binascii.Error):
        raise BadSyntax("Mailbox name is not valid modified UTF-7") from None
    return "".join(pieces)


def _plain(text: bytes) -> str:
    if b"&" in text:
        raise BadSyntax("Mailbox name is not valid modified UTF-7")
    return text.decode("ascii")


def _decode_run(text: bytes) -> str:
    if not text:
        return "&"
    padded = text.replace(b",", b"/") + b"=" * (-len(text) % 4)
    return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")


def decode_name(name: bytes, utf8: bool) -> str:
    """A client's mailbox name: UTF-8 where the session speaks it (or where it is plainly no UTF-7), else modified
    UTF-7.  Raises BadSyntax."""
    if utf8 or not name.isascii():
        try:
            return name.decode()
        except UnicodeDecodeError:
            raise BadSyntax("Mailbox name is not valid UTF-8") from None
    return decode_utf7(name)


def write_name(name: str, utf8: bool) -> bytes:
    """A mailbox name for the client, quoted."""
    if utf8:
        raw = name.encode()
        return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return write_string(encode_utf7(name))
