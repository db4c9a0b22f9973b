"""UID sets as SQL conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nmsd.model.uidset import UidSet

MOST: Final = 512
"""Most UIDs named singly in one condition."""

_SHORT: Final = 8


def spans(wanted: UidSet, existing: UidSet) -> list[tuple[int, int]]:
    """As few ranges as will do, between which and in which `existing` has nothing but what is `wanted`.

    In a mailbox full of gaps "all messages" is thousands of ranges, but one span.
    """
    found: list[tuple[int, int]] = []
    last = -1
    for low, high in (wanted & existing).ranges():
        seq = existing.index(low)
        if found and seq == last + 1:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
        last = seq + high - low
    return found


def conditions(ranges: Iterable[tuple[int, int]], most: int = MOST) -> Iterator[tuple[str, tuple[int, ...]]]:
    """SQL conditions on `uid` with their values, ascending, which together select the ranges.

    A long range is one BETWEEN; neighbouring short ones are named singly, up to `most` (a power of two) at a time.
    """
    singles: list[int] = []
    for low, high in ranges:
        if high - low >= _SHORT:
            if singles:
                yield _among(singles)
                singles = []
            yield "uid BETWEEN ? AND ?", (low, high)
            continue
        for uid in range(low, high + 1):
            singles.append(uid)
            if len(singles) == most:
                yield _among(singles)
                singles = []
    if singles:
        yield _among(singles)


def _among(uids: list[int]) -> tuple[str, tuple[int, ...]]:
    if len(uids) == 1:
        return "uid = ?", (uids[0],)
    # Filled up to a power of two, so that there are few different statements to be prepared and kept.
    size = 1 << (len(uids) - 1).bit_length()
    return f"uid IN ({', '.join('?' * size)})", (*uids, *uids[-1:] * (size - len(uids)))
