"""Values to IMAP text."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(rb'[^\x00\r\n"\\\x80-\xff]*\Z')
_QUOTABLE: Final = re.compile(rb"[^\x00\r\n\x80-\xff]*\Z")
_ATOM: Final = re.compile(rb'[^\x00-\x20(){%*"\\\]\x7f-\xff]+\Z')
_QUOTED_MAX: Final = 1000


def write_quoted(text: bytes) -> bytes:
    """`text` as a quoted string; it must have no CR, LF or NUL."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def write_string(text: bytes) -> bytes:
    """`text` as a quoted string where that is allowed, else as a literal (RFC 9051 §4.3)."""
    if len(text) <= _QUOTED_MAX:
        if _PLAIN.match(text):
            return b'"' + text + b'"'
        if _QUOTABLE.match(text):
            return write_quoted(text)
    return b"{%d}\r\n" % len(text) + text


def write_nstring(text: bytes | None) -> bytes:
    """As `write_string`; NIL for None."""
    return b"NIL" if text is None else write_string(text)


def write_astring(text: bytes) -> bytes:
    """`text` as an atom where it is one (and not NIL), else as a string."""
    if _ATOM.match(text) and text.upper() != b"NIL":
        return text
    return write_string(text)
