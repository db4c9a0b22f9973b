"""Ordered sets of message numbers, kept as ranges.

A mailbox of a thousand messages with no gaps is two integers, so a parked session's view of it costs next to nothing.
The same set answers seq -> UID (`at`) and UID -> seq (`index`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class UidSet:
    """An immutable ordered set of positive integers.

    Held as two parallel tuples of range starts and ends (inclusive), disjoint, ascending, never adjacent.
    """

    __slots__ = ("_cumulative", "_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """From (low, high) pairs in any order, overlapping or not; a pair given backwards is turned round."""
        starts: list[int] = []
        ends: list[int] = []
        for low, high in sorted((low, high) if low <= high else (high, low) for low, high in ranges):
            if ends and low <= ends[-1] + 1:
                if high > ends[-1]:
                    ends[-1] = high
            else:
                starts.append(low)
                ends.append(high)
        self._starts = tuple(starts)
        self._ends = tuple(ends)
        self._cumulative: list[int] | None = None

    @staticmethod
    def of(numbers: Iterable[int]) -> UidSet:
        """From single numbers in any order."""
        return _from_sorted(sorted(set(numbers)))

    @staticmethod
    def of_sorted(numbers: Iterable[int]) -> UidSet:
        """From strictly ascending numbers, without sorting them again."""
        return _from_sorted(numbers)

    def ranges(self) -> list[tuple[int, int]]:
        """The (low, high) ranges, ascending."""
        return list(zip(self._starts, self._ends))

    def __iter__(self) -> Iterator[int]:
        for low, high in zip(self._starts, self._ends):
            yield from range(low, high + 1)

    def __len__(self) -> int:
        total = 0
        for low, high in zip(self._starts, self._ends):
            total += high - low + 1
        return total

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        position = bisect_right(self._starts, number) - 1
        return position >= 0 and number <= self._ends[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UidSet) and self._starts == other._starts and self._ends == other._ends

    def __hash__(self) -> int:
        return hash((self._starts, self._ends))

    def __repr__(self) -> str:
        text = ",".join(str(low) if low == high else f"{low}:{high}" for low, high in self.ranges())
        return f"UidSet({text})"

    @property
    def low(self) -> int:
        """The smallest member, 0 when empty."""
        return self._starts[0] if self._starts else 0

    @property
    def high(self) -> int:
        """The largest member, 0 when empty."""
        return self._ends[-1] if self._ends else 0

    def _sums(self) -> list[int]:
        if self._cumulative is None:
            sums: list[int] = []
            total = 0
            for low, high in zip(self._starts, self._ends):
                sums.append(total)
                total += high - low + 1
            self._cumulative = sums
        return self._cumulative

    def at(self, seq: int) -> int:
        """The member at position `seq`, counted from 1.  Raises IndexError past either end."""
        if seq < 1 or not self._starts:
            raise IndexError(seq)
        sums = self._sums()
        position = bisect_right(sums, seq - 1) - 1
        number = self._starts[position] + (seq - 1 - sums[position])
        if number > self._ends[position]:
            raise IndexError(seq)
        return number

    def index(self, number: int) -> int:
        """The position of `number`, counted from 1; 0 if it is no member."""
        position = bisect_right(self._starts, number) - 1
        if position < 0 or number > self._ends[position]:
            return 0
        return self._sums()[position] + number - self._starts[position] + 1

    def positions(self, members: UidSet) -> UidSet:
        """The positions, counted from 1, of `members`, all of which are in this set."""
        starts: list[int] = []
        ends: list[int] = []
        sums = self._sums()
        position = 0
        for low, high in zip(members._starts, members._ends):
            if self._ends[position] < low:
                position = bisect_left(self._ends, low, position)
            first = sums[position] + low - self._starts[position] + 1
            if ends and first == ends[-1] + 1:  # what was between them is not in this set
                ends[-1] = first + high - low
            else:
                starts.append(first)
                ends.append(first + high - low)
        return _made(starts, ends)

    def to_list(self) -> list[int]:
        """All members, ascending; for whoever needs them all at once, quicker than one by one."""
        found: list[int] = []
        for low, high in zip(self._starts, self._ends):
            if low == high:
                found.append(low)
            else:
                found.extend(range(low, high + 1))
        return found

    def numbered(self) -> Iterator[tuple[int, int]]:
        """(position from 1, member) pairs, ascending."""
        return enumerate(self, 1)

    def slice(self, low: int, high: int) -> UidSet:
        """The members at positions low..high (from 1, inclusive; clipped to what is there)."""
        size = len(self)
        low = max(low, 1)
        high = min(high, size)
        if low > high:
            return UidSet()
        return self.between(self.at(low), self.at(high))

    def between(self, low: int, high: int) -> UidSet:
        """The members from `low` to `high`, inclusive."""
        first = bisect_left(self._ends, low)
        last = bisect_right(self._starts, high)
        if first >= last or low > high:
            return UidSet()
        starts, ends = list(self._starts[first:last]), list(self._ends[first:last])
        starts[0] = max(starts[0], low)
        ends[-1] = min(ends[-1], high)
        return _made(starts, ends)

    def __or__(self, other: UidSet) -> UidSet:
        return UidSet(self.ranges() + other.ranges())

    def __and__(self, other: UidSet) -> UidSet:
        starts: list[int] = []
        ends: list[int] = []
        i = j = 0
        while i < len(self._starts) and j < len(other._starts):
            low = max(self._starts[i], other._starts[j])
            high = min(self._ends[i], other._ends[j])
            if low <= high:
                starts.append(low)
                ends.append(high)
            if self._ends[i] < other._ends[j]:
                i += 1
            else:
                j += 1
        return _made(starts, ends)

    def __sub__(self, other: UidSet) -> UidSet:
        starts: list[int] = []
        ends: list[int] = []
        j = 0
        for low, high in zip(self._starts, self._ends):
            while j < len(other._starts) and other._ends[j] < low:
                j += 1
            k = j
            while k < len(other._starts) and other._starts[k] <= high:
                if other._starts[k] > low:
                    starts.append(low)
                    ends.append(other._starts[k] - 1)
                low = other._ends[k] + 1
                k += 1
            if low <= high:
                starts.append(low)
                ends.append(high)
        return _made(starts, ends)


def _from_sorted(numbers: Iterable[int]) -> UidSet:
    starts: list[int] = []
    ends: list[int] = []
    last = -1
    for number in numbers:
        if number != last + 1 or not starts:
            if starts:
                ends.append(last)
            starts.append(number)
        last = number
    if starts:
        ends.append(last)
    return _made(starts, ends)


def _made(starts: list[int], ends: list[int]) -> UidSet:
    """From ranges that are as they are kept: ascending, disjoint, never adjacent."""
    found = UidSet()
    found._starts = tuple(starts)
    found._ends = tuple(ends)
    return found
