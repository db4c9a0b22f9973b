"""The part of a search that SQL answers: flags, dates, sizes, numbers, and the header fields kept in `digest`.

Every expression made here is true or false, never NULL, so that NOT means what it says.
"""

from __future__ import annotations

from typing import Any, Final

from nmsd.mime.text import normalise
from nmsd.model.flags import keyword_bit
from nmsd.model.search import (
    All,
    And,
    Dated,
    DateOf,
    HasFlag,
    HasKeyword,
    Header,
    Key,
    ModSeq,
    Not,
    Or,
    Sized,
    Text,
    Uids,
    Within,
)
from nmsd.store.sqlite.bodies import HEADING_COLUMNS

_DAY: Final = 86400

# SQLite's parser has a stack of 100, of which a level of brackets takes three or four.
_MAX_LEVELS: Final = 20
_MAX_RANGES: Final = 64
_MAX_NUMBER: Final = (1 << 63) - 1

_DATES: Final = {
    DateOf.INTERNAL: ("m.epoch + m.zone * 60", _DAY),
    DateOf.SAVED: ("m.save_epoch", _DAY),
    DateOf.SENT: ("d.sent_date", 1),
}


def is_answered(key: Key) -> bool:
    """Whether SQL can answer `key` wholly."""
    return _levels(key) <= _MAX_LEVELS and _is_answered(key)


def _levels(key: Key) -> int:
    """How deep the brackets of its expression are."""
    if isinstance(key, And | Or):
        parts = _parts(key)
        return len(parts).bit_length() + max(map(_levels, parts), default=0)
    if isinstance(key, Not):
        return 1 + _levels(key.key)
    return 1


def _parts(key: And | Or) -> list[Key]:
    """What it joins, through all of its own kind in it: clients chain one OR in another."""
    found: list[Key] = []
    waiting: list[Key] = [key]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Or) and isinstance(key, Or):
            waiting += (part.right, part.left)
        elif isinstance(part, And) and isinstance(key, And):
            waiting.extend(reversed(part.keys))
        else:
            found.append(part)
    return found


def _is_answered(key: Key) -> bool:
    if isinstance(key, And):
        return all(map(_is_answered, key.keys))
    if isinstance(key, Or):
        return _is_answered(key.left) and _is_answered(key.right)
    if isinstance(key, Not):
        return _is_answered(key.key)
    if isinstance(key, Uids):
        return len(key.uids.ranges()) <= _MAX_RANGES
    if isinstance(key, Header):
        return key.name.lower() in HEADING_COLUMNS
    return not isinstance(key, Text)


class Expression:
    """A search as SQL over `message m` and, if `needs_digest`, `digest d`."""

    __slots__ = ("_keywords", "needs_digest", "sql", "values")

    def __init__(self, keys: list[Key], keywords: tuple[str, ...]) -> None:
        """All of `keys`, for each of which `is_answered` holds; `keywords` is the mailbox's table."""
        self._keywords = keywords
        self.needs_digest = False
        self.values: list[Any] = []
        self.sql = self._joined(keys, "AND")

    def _joined(self, keys: list[Key], word: str) -> str:
        # In halves: a chain of a thousand would be a thousand levels deep.
        if not keys:
            return "1"
        if len(keys) == 1:
            return self._one(keys[0])
        half = len(keys) // 2
        return f"({self._joined(keys[:half], word)} {word} {self._joined(keys[half:], word)})"

    def _one(self, key: Key) -> str:
        if isinstance(key, And):
            return self._joined(_parts(key), "AND")
        if isinstance(key, Or):
            return self._joined(_parts(key), "OR")
        if isinstance(key, Not):
            return f"NOT {self._one(key.key)}"
        if isinstance(key, Header):
            return self._header(key)
        if isinstance(key, Dated):
            return self._dated(key)
        return self._number(key)

    def _number(self, key: Key) -> str:
        if isinstance(key, Uids):
            return self._uids(key)
        if isinstance(key, HasFlag | HasKeyword):
            self.values.append(key.bit if isinstance(key, HasFlag) else keyword_bit(key.name, self._keywords))
            return "(m.flags & ?) != 0"
        if isinstance(key, Within):
            return self._between("m.epoch", key.since, key.before)
        if isinstance(key, Sized):
            return self._between(
                "m.size", None if key.larger is None else min(key.larger + 1, _MAX_NUMBER), key.smaller
            )
        if isinstance(key, ModSeq):
            return self._between("m.modseq", key.since, None)
        assert isinstance(key, All)
        return "1"

    def _uids(self, key: Uids) -> str:
        ranges = key.uids.ranges()
        for low, high in ranges:
            self.values += (low, high)
        return "(" + (" OR ".join(["m.uid BETWEEN ? AND ?"] * len(ranges)) or "0") + ")"

    def _dated(self, key: Dated) -> str:
        column, unit = _DATES[key.which]
        since = None if key.since is None else key.since * unit
        before = None if key.before is None else key.before * unit
        if key.which is not DateOf.SENT:
            return self._between(column, since, before)
        self.needs_digest = True
        return f"({column} IS NOT NULL AND {self._between(column, since, before)})"

    def _between(self, column: str, since: int | None, before: int | None) -> str:
        terms = ["1"]
        if since is not None:
            terms.append(f"{column} >= ?")
            self.values.append(since)
        if before is not None:
            terms.append(f"{column} < ?")
            self.values.append(before)
        return "(" + " AND ".join(terms) + ")"

    def _header(self, key: Header) -> str:
        self.needs_digest = True
        column = "d." + HEADING_COLUMNS[key.name.lower()]
        wanted = normalise(key.text)
        if not wanted:
            return f"{column} IS NOT NULL"
        try:
            wanted.encode()
        except UnicodeEncodeError:
            return "0"  # half a surrogate pair: no text that could be stored holds it
        self.values.append(wanted)
        return f"ifnull(instr({column}, ?), 0) != 0"
