"""Distinguished names: read as RFC 4514 writes them, compared as RFC 5280 §7.1 has it, written again.

A name is a list of its parts, the most special one first; a part is a list of (type, value), mostly of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

Rdns = list[list[tuple[str, str]]]
"""A name as it is written.  Types are short names in lower case where we know one, else as written or dotted numbers;
a value that is no text is "#" with its bytes in hexadecimal."""

Dn = tuple[frozenset[tuple[str, str]], ...]
"""A name to compare: case, and how many spaces there are, do not count."""

# Short names, with their number and what else they are called.
_TYPES: Final = (
    ("cn", "2.5.4.3", "commonname"),
    ("sn", "2.5.4.4", "surname"),
    ("serialnumber", "2.5.4.5"),
    ("c", "2.5.4.6", "countryname"),
    ("l", "2.5.4.7", "localityname"),
    ("st", "2.5.4.8", "stateorprovincename", "s"),
    ("street", "2.5.4.9", "streetaddress"),
    ("o", "2.5.4.10", "organizationname"),
    ("ou", "2.5.4.11", "organizationalunitname"),
    ("title", "2.5.4.12", "t"),
    ("givenname", "2.5.4.42", "gn", "g"),
    ("initials", "2.5.4.43"),
    ("generationqualifier", "2.5.4.44"),
    ("dnqualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationidentifier", "2.5.4.97"),
    ("uid", "0.9.2342.19200300.100.1.1", "userid"),
    ("mail", "0.9.2342.19200300.100.1.3", "rfc822mailbox"),
    ("dc", "0.9.2342.19200300.100.1.25", "domaincomponent"),
    ("e", "1.2.840.113549.1.9.1", "email", "emailaddress"),
)
_SHORT: Final = {name: names[0] for names in _TYPES for name in names}
SHORT_NAMES: Final = frozenset(_SHORT.values())

_TYPE: Final = re.compile(
    r"[ \t]*(?:oid\.)?([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)[ \t]*=[ \t]*", re.ASCII | re.IGNORECASE
)
_HEX: Final = re.compile(r"#((?:[0-9A-Fa-f]{2})+)[ \t]*")
_PAIR: Final = re.compile(r"[0-9A-Fa-f]{2}")
_ENDS: Final = frozenset(",;+")
_SPECIAL: Final = frozenset(',+"\\<>;')


def short_name(kind: str) -> str:
    """The short name of a type, if there is one; else the type in lower case."""
    return _SHORT.get(kind.lower(), kind.lower())


def parse_dn(text: str) -> Rdns:
    """Reads a name; '' is one without parts.  Raises ValueError, saying what is wrong."""
    rdns: Rdns = []
    if not text.strip():
        return rdns
    place = 0
    while True:
        part: list[tuple[str, str]] = []
        rdns.append(part)
        more = "+"
        while more == "+":
            found = _TYPE.match(text, place)
            if found is None:
                raise ValueError(f"no name=value at {text[place:][:20]!r}")
            value, place = _take_value(text, found.end())
            part.append((short_name(found[1]), value))
            more = text[place : place + 1]
            place += 1
        if not more:
            return rdns


def _take_value(text: str, place: int) -> tuple[str, int]:
    """A value, and where it ends."""
    found = _HEX.match(text, place)
    if found is not None and text[found.end() : found.end() + 1] in ("", *_ENDS):
        return "#" + found[1].lower(), found.end()
    quoted = text[place : place + 1] == '"'
    place += quoted
    taken = bytearray()
    keep = 0  # spaces up to here are part of the value
    while True:
        sign = text[place : place + 1]
        if quoted:
            if not sign:
                raise ValueError("a quotation mark is missing")
            if sign == '"':
                return _decoded(taken), _after_quote(text, place + 1)
        elif not sign or sign in _ENDS:
            return _decoded(taken[:keep] + taken[keep:].rstrip(b" \t")), place
        elif sign in '"<>':
            raise ValueError(f"{sign} needs a backslash before it")
        if sign == "\\":
            pair = text[place + 1 : place + 3]
            if _PAIR.fullmatch(pair):
                taken.append(int(pair, 16))
                place += 3
            elif pair:
                taken += pair[0].encode()
                place += 2
            else:
                raise ValueError("it ends with a backslash")
            keep = len(taken)
        else:
            taken += sign.encode("utf-8", "surrogateescape")
            place += 1


def _after_quote(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t"):
        place += 1
    if text[place : place + 1] not in ("", *_ENDS):
        raise ValueError(f"{text[place:][:20]!r} after a quotation mark")
    return place


def _decoded(data: bytes | bytearray) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("a value is not UTF-8") from None


def normal(rdns: Iterable[Sequence[tuple[str, str]]]) -> Dn:
    """The name to compare."""
    return tuple(frozenset((short_name(kind), normal_value(value)) for kind, value in part) for part in rdns)


def normal_value(value: str) -> str:
    """A value to compare (caseIgnoreMatch, after RFC 4518)."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def is_within(dn: Dn, base: Dn) -> bool:
    """Whether the name is the base's or below it."""
    return dn[len(dn) - len(base) :] == base if len(dn) >= len(base) else False


def write_dn(rdns: Iterable[Sequence[tuple[str, str]]], separator: str = ",") -> str:
    """The name as RFC 4514 §2 writes it."""
    return separator.join("+".join(f"{kind}={_escape(value)}" for kind, value in part) for part in rdns)


def _escape(value: str) -> str:
    if value.startswith("#") and _HEX.fullmatch(value):
        return value
    escaped = "".join(_escape_sign(sign) for sign in value)
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _escape_sign(sign: str) -> str:
    if sign in _SPECIAL:
        return "\\" + sign
    if sign.isprintable():
        return sign
    return "".join(f"\\{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))
