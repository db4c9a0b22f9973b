"""ESEARCH (RFC 4731, RFC 9051 §6.4.4): RETURN with MIN, MAX, ALL and COUNT."""

from __future__ import annotations

from typing import Any, Final

from nmsd.imap.registry import Extension, Found, ReturnOption
from nmsd.imap.session import Session
from nmsd.model.uidset import UidSet
from nmsd.wire.numberset import write_number_set
from nmsd.wire.reader import Reader


def no_value(reader: Reader, session: Session) -> None:
    """The parser of options that take none."""


def _lowest(found: Found, value: Any) -> UidSet:
    return found.uids.between(found.uids.low, found.uids.low)


def _highest(found: Found, value: Any) -> UidSet:
    return found.uids.between(found.uids.high, found.uids.high)


def _every(found: Found, value: Any) -> UidSet:
    return found.uids


def _min(found: Found, value: Any) -> bytes:
    return b" MIN %d" % found.number(found.uids.low) if found.uids else b""


def _max(found: Found, value: Any) -> bytes:
    return b" MAX %d" % found.number(found.uids.high) if found.uids else b""


def _all(found: Found, value: Any) -> bytes:
    return b" ALL " + write_number_set(found.numbers()) if found.uids else b""


def _count(found: Found, value: Any) -> bytes:
    return b" COUNT %d" % len(found.uids)


EXTENSION: Final[Extension] = Extension(
    4731,
    (b"ESEARCH",),
    search_returns=(
        ReturnOption(b"MIN", no_value, _min, _lowest),
        ReturnOption(b"MAX", no_value, _max, _highest),
        ReturnOption(b"ALL", no_value, _all, _every),
        ReturnOption(b"COUNT", no_value, _count, _every),
    ),
)
