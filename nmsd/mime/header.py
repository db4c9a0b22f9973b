"""Header fields: finding, choosing, unfolding and decoding them."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from nmsd.mime.charsets import decode_charset, guess
from nmsd.mime.transfer import decode_base64

_LF: Final = 10
_CR: Final = 13
_TAB: Final = 9
_SPACE: Final = 32

# charset, RFC 2231 §5 language, encoding, text.  Nothing in it can run past a "?", which keeps the search linear.
_WORD: Final = re.compile(rb"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")


def field_end(header: bytes, start: int) -> int:
    """Where the field that begins at `start` ends: after its last line end, folded lines included."""
    size = len(header)
    end = header.find(b"\n", start) + 1
    while 0 < end < size and (header[end] == _SPACE or header[end] == _TAB):
        end = header.find(b"\n", end) + 1
    return end if end > 0 else size


def iter_fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, raw value with its folds, without its last line end) of each field, in order.  Lines that are no field are
    skipped; the empty line ends it."""
    position = 0
    size = len(header)
    while position < size:
        end = field_end(header, position)
        if is_blank(header, position):
            return
        colon = header.find(b":", position, end)
        if colon > position:
            name = header[position:colon].rstrip(b" \t")
            if is_name(name):
                yield name, header[colon + 1 : end].rstrip(b"\r\n")
        position = end


def is_blank(header: bytes, start: int) -> bool:
    """Whether the line that begins at `start` is the empty one."""
    first = header[start]
    return first == _LF or (first == _CR and header.startswith(b"\r\n", start))


def is_name(name: bytes) -> bool:
    """Whether this can stand before a field's colon; "From x@y 10" of an mbox line cannot, having spaces in it."""
    return bool(name) and b" " not in name and b"\t" not in name and b"\n" not in name


def collect(header: bytes, wanted: AbstractSet[bytes], joined: AbstractSet[bytes]) -> dict[bytes, bytes]:
    """Lower-case name to unfolded value for those fields of `wanted` that are there.  Of a field given twice the first
    counts, unless it is one of `joined`: those are put together with commas."""
    found: dict[bytes, bytes] = {}
    repeated: dict[bytes, list[bytes]] = {}
    position = 0
    size = len(header)
    while position < size:
        end = header.find(b"\n", position) + 1
        if end == 0:
            end = size
        while end < size and (header[end] == _SPACE or header[end] == _TAB):
            end = header.find(b"\n", end) + 1
            if end == 0:
                end = size
        colon = header.find(b":", position, end)
        if colon > position:
            name = header[position:colon].lower().rstrip(b" \t")
            if name in wanted:
                value = unfold(header[colon + 1 : end])
                if name not in found:
                    found[name] = value
                elif name in joined:
                    repeated.setdefault(name, [found[name]]).append(value)
        elif is_blank(header, position):
            break
        position = end
    for name, values in repeated.items():
        found[name] = b", ".join(values)
    return found


def select_fields(header: bytes, names: Sequence[bytes], exclude: bool) -> bytes:
    """The fields with these names (with `exclude`: the others), just as they stand, in order, and the empty line
    (HEADER.FIELDS and HEADER.FIELDS.NOT, RFC 3501 §6.4.5).  Names compare without case.  The empty line is left out
    only where the message itself has neither one nor a body."""
    wanted = {name.lower() for name in names}
    chosen: list[bytes] = []
    position = 0
    size = len(header)
    while position < size:
        if is_blank(header, position):
            chosen.append(b"\r\n")
            break
        end = field_end(header, position)
        colon = header.find(b":", position, end)
        name = header[position:colon].lower().rstrip(b" \t") if colon > position else b""
        if (name in wanted) != exclude:
            chosen.append(header[position:end])
        position = end
    return b"".join(chosen)


def unfold(value: bytes) -> bytes:
    """A field's value on one line (RFC 5322 §2.2.3), without white space around it."""
    value = value.strip()
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value


def decode_words(value: bytes) -> str:
    """An unfolded value as text, encoded words (RFC 2047) decoded; raw 8-bit is taken as UTF-8, else Windows-1252.

    Neighbouring words of one charset are put together before they are decoded: many programs cut characters in two.
    """
    if b"=?" not in value:
        return value.decode("ascii") if value.isascii() else guess(value)
    pieces: list[str] = []
    charset = b""
    pending: list[bytes] = []
    position = 0
    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        label, kind, text = match.groups()
        label = label.lower()
        if pending and (label != charset or between.strip()):
            pieces.append(decode_charset(b"".join(pending), charset.decode("latin-1")))
            pending = []
            if between.strip():
                pieces.append(guess(between))
        elif not pending and (position == 0 or between.strip()):
            pieces.append(guess(between))
        charset = label
        pending.append(_word_bytes(kind, text))
        position = match.end()
    if pending:
        pieces.append(decode_charset(b"".join(pending), charset.decode("latin-1")))
    pieces.append(guess(value[position:]))
    return "".join(pieces)


def _word_bytes(kind: bytes, text: bytes) -> bytes:
    if kind in b"qQ":
        return a2b_qp(text, header=True)
    return decode_base64(text)


def field_texts(header: bytes, name: bytes) -> list[str]:
    """The decoded values of all fields with this name, in order."""
    wanted = name.lower()
    return [decode_words(unfold(value)) for found, value in iter_fields(header) if found.lower() == wanted]
