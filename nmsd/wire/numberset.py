"""Sequence sets: text to UidSet and back (RFC 9051 §9, sequence-set)."""

from __future__ import annotations

from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax

NUMBER_MAX = 0xFFFF_FFFF


def parse_number_set(text: bytes, largest: int) -> UidSet:
    """The set that `text` names, with "*" standing for `largest` (0, an empty mailbox, drops lone stars).

    Raises BadSyntax for zero, numbers past 32 bits, and text that is no set.
    """
    ranges: list[tuple[int, int]] = []
    for piece in text.split(b","):
        low, colon, high = piece.partition(b":")
        first = _bound(low, largest)
        last = _bound(high, largest) if colon else first
        if first > last:
            first, last = last, first
        if last > 0:
            ranges.append((max(first, 1), last))
    return UidSet(ranges)


def _bound(text: bytes, largest: int) -> int:
    if text == b"*":
        return largest
    if not text.isdigit() or len(text) > 10:
        raise BadSyntax("Invalid sequence set")
    number = int(text)
    if not 0 < number <= NUMBER_MAX:
        raise BadSyntax("Invalid number in sequence set")
    return number


def write_number_set(numbers: UidSet) -> bytes:
    """The shortest text for a non-empty set: "1:3,7"."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in numbers.ranges())
