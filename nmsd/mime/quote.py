"""Strings as IMAP writes them (RFC 3501 §4.3): quoted where that is possible, else a literal."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(rb'[\x00\r\n"\\\x80-\xff]')


def string(value: bytes) -> bytes:
    """`value` as an IMAP string; NULs, which IMAP has no way to send in one, are dropped."""
    if _UNSAFE.search(value) is None:
        return b'"' + value + b'"'
    value = value.replace(b"\0", b"")
    if not value.isascii() or b"\r" in value or b"\n" in value:
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def nstring(value: bytes | None) -> bytes:
    """`value` as an IMAP nstring."""
    return b"NIL" if value is None else string(value)
