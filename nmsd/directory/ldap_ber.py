"""The LDAP messages (RFC 4511) that every login takes, written and read without a general ASN.1 library.

What is built here by hand in some ten microseconds takes a hundred times as long that way.  Whatever else is said to a
directory goes through ldap3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SCOPES: Final = {"base": 0, "onelevel": 1, "subtree": 2}

BIND_RESPONSE: Final = 0x61
SEARCH_ENTRY: Final = 0x64
SEARCH_DONE: Final = 0x65
SEARCH_REFERENCE: Final = 0x73
EXTENDED_RESPONSE: Final = 0x78

_SEQUENCE: Final = 0x30
_REFERRAL: Final = 0xA3
_CONTROLS: Final = 0xA0
_VERSION: Final = b"\x02\x01\x03"
_NEVER: Final = b"\x0a\x01\x00"  # dereference no aliases
_FALSE: Final = b"\x01\x01\x00"  # types only: no
_COMPARISONS: Final = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_SETS: Final = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_ITEM: Final = re.compile(r"\s*([A-Za-z0-9.;-]+)\s*(=|>=|<=|~=)([^()]*)\)")
_EXTENSIBLE: Final = re.compile(r"\s*([A-Za-z0-9.;-]*)((?::dn)?)((?::[A-Za-z0-9.-]+)?):=([^()]*)\)", re.IGNORECASE)
_ESCAPED: Final = re.compile(rb"\\([0-9A-Fa-f]{2})")
_MOST_DEPTH: Final = 100


class BadFilter(ValueError):
    """A search filter that is none; the text says where."""


@dataclass(frozen=True)
class Message:
    """What a server says: of which operation, what kind, and for an entry its name and attributes, for a reference its
    URLs, for the rest the result."""

    message_id: int
    kind: int
    dn: str = ""
    attributes: tuple[tuple[str, list[bytes]], ...] = ()
    urls: tuple[str, ...] = ()
    code: int = 0
    text: str = ""
    controls: frozenset[str] = frozenset()


# Writing


def bind_request(message_id: int, dn: str, password: bytes) -> bytes:
    """A bind with a name and a password."""
    body = _VERSION + _tlv(0x04, dn.encode("utf-8", "surrogateescape")) + _tlv(0x80, password)
    return _tlv(_SEQUENCE, _integer(0x02, message_id) + _tlv(0x60, body))


def search_request(
    message_id: int, base: str, scope: str, filter: str, attributes: Sequence[str], size_limit: int, time_limit: int
) -> bytes:
    """A search.  Raises BadFilter."""
    body = (
        _tlv(0x04, base.encode()),
        bytes((0x0A, 1, SCOPES[scope])),
        _NEVER,
        _integer(0x02, size_limit),
        _integer(0x02, time_limit),
        _FALSE,
        filter_bytes(filter),
        _tlv(_SEQUENCE, b"".join([_tlv(0x04, name.encode()) for name in attributes])),
    )
    return _tlv(_SEQUENCE, _integer(0x02, message_id) + _tlv(0x63, b"".join(body)))


def filter_bytes(text: str) -> bytes:
    """A filter (RFC 4515), encoded.  Raises BadFilter."""
    text = text.strip()
    found, end = _filter(text, 0, 0)
    if end != len(text):
        raise BadFilter(f"{text}: something follows the filter")
    return found


def _filter(text: str, start: int, depth: int) -> tuple[bytes, int]:
    if text[start : start + 1] != "(" or depth > _MOST_DEPTH:
        raise BadFilter(f"{text}: a bracket is missing, or there are too many")
    kind = text[start + 1 : start + 2]
    if kind in _SETS:
        parts, place = [], start + 2
        while text[place : place + 1] == "(":
            part, place = _filter(text, place, depth + 1)
            parts.append(part)
        if text[place : place + 1] != ")" or (kind == "!" and len(parts) != 1):
            raise BadFilter(f"{text}: a bracket is missing")
        return _tlv(_SETS[kind], b"".join(parts)), place + 1
    match = _ITEM.match(text, start + 1)
    if match is not None:
        name, operator, value = match.groups()
        return _comparison(name.encode(), operator, value), match.end()
    match = _EXTENSIBLE.match(text, start + 1)
    if match is None or not (match.group(1) or match.group(3)):
        raise BadFilter(f"{text}: {text[start : start + 40]} is no comparison")
    return _extensible(*match.groups()), match.end()


def _comparison(name: bytes, operator: str, value: str) -> bytes:
    if operator == "=" and "*" in value:
        if value.strip() == "*":
            return _tlv(0x87, name)
        pieces = value.split("*")
        parts = [_tlv(0x80, _plain(pieces[0]))] if pieces[0] else []
        parts += [_tlv(0x81, _plain(piece)) for piece in pieces[1:-1] if piece]
        parts += [_tlv(0x82, _plain(pieces[-1]))] if pieces[-1] else []
        if not parts:
            return _tlv(0x87, name)
        return _tlv(0xA4, _tlv(0x04, name) + _tlv(_SEQUENCE, b"".join(parts)))
    return _tlv(_COMPARISONS[operator], _tlv(0x04, name) + _tlv(0x04, _plain(value)))


def _extensible(name: str, dn: str, rule: str, value: str) -> bytes:
    parts = [_tlv(0x81, rule[1:].encode())] if rule else []
    parts += [_tlv(0x82, name.encode())] if name else []
    parts.append(_tlv(0x83, _plain(value)))
    parts += [_tlv(0x84, b"\xff")] if dn else []
    return _tlv(0xA9, b"".join(parts))


def _plain(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(lambda match: bytes((int(match.group(1), 16),)), raw) if b"\\" in raw else raw


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(tag: int, number: int) -> bytes:
    """A number that is not below zero."""
    return _tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, "big"))


# Reading


def whole(data: bytes) -> int:
    """How long the first message in `data` is; 0 if that cannot be told yet.  Raises ValueError."""
    if not data:
        return 0
    if data[0] != _SEQUENCE:
        raise ValueError("not an LDAP message")
    if len(data) < 2:
        return 0
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    if not 1 <= count <= 4:
        raise ValueError("a length that is none")
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big") if len(data) >= 2 + count else 0


def read_message(data: bytes) -> Message:
    """One whole message.  Raises ValueError, IndexError."""
    _, start, end = _head(data, 0, len(data))
    _, place, after = _head(data, start, end)
    message_id = int.from_bytes(data[place:after], "big")
    kind, place, after_operation = _head(data, after, end)
    if kind == SEARCH_ENTRY:
        return _entry(data, message_id, place, after_operation)
    if kind == SEARCH_REFERENCE:
        return Message(message_id, kind, urls=_texts(data, place, after_operation))
    return _result(data, message_id, kind, place, after_operation, end)


def _entry(data: bytes, message_id: int, start: int, end: int) -> Message:
    _, place, after = _head(data, start, end)
    dn = data[place:after].decode("utf-8", "replace")
    _, place, last = _head(data, after, end)
    attributes = []
    while place < last:
        _, inner, place = _head(data, place, last)
        _, begin, after = _head(data, inner, place)
        name = data[begin:after].decode("utf-8", "replace")
        _, begin, after_values = _head(data, after, place)
        values = []
        while begin < after_values:
            _, begin, after = _head(data, begin, after_values)
            values.append(data[begin:after])
            begin = after
        attributes.append((name, values))
    return Message(message_id, SEARCH_ENTRY, dn, tuple(attributes))


def _result(data: bytes, message_id: int, kind: int, start: int, end: int, last: int) -> Message:
    _, place, after = _head(data, start, end)
    code = int.from_bytes(data[place:after], "big")
    _, _, after = _head(data, after, end)  # the part of the name that is there
    _, place, after = _head(data, after, end)
    text = data[place:after].decode("utf-8", "replace")
    urls: tuple[str, ...] = ()
    if after < end and data[after] == _REFERRAL:
        _, place, after = _head(data, after, end)
        urls = _texts(data, place, after)
    controls: list[str] = []
    if end < last and data[end] == _CONTROLS:
        _, place, after_controls = _head(data, end, last)
        while place < after_controls:
            _, inner, place = _head(data, place, after_controls)
            _, begin, after = _head(data, inner, place)
            controls.append(data[begin:after].decode("utf-8", "replace"))
    return Message(message_id, kind, urls=urls, code=code, text=text, controls=frozenset(controls))


def _texts(data: bytes, start: int, end: int) -> tuple[str, ...]:
    found = []
    while start < end:
        _, place, start = _head(data, start, end)
        found.append(data[place:start].decode("utf-8", "replace"))
    return tuple(found)


def _head(data: bytes, place: int, end: int) -> tuple[int, int, int]:
    """The tag, the beginning and the end of the content at `place`.  Raises ValueError, IndexError."""
    tag, length = data[place], data[place + 1]
    start = place + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("a length that is none")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    after = start + length
    if after > end:
        raise ValueError("a content longer than what holds it")
    return tag, start, after
