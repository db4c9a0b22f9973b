"""Searches, for any engine: what a search needs to know of a message, and whether a message matches.

An engine gives a `Candidate` for each message: the cheap facts as attributes, the dear ones as methods that read only
when they are called.  It may answer the parts of a search that its own index can answer, and leave the rest to
`matcher` (see `split`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol, TypeAlias

from nmsd.mime.header import field_texts
from nmsd.mime.parts import Part
from nmsd.mime.text import body_text, header_text, normalise
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
    TextIn,
    Uids,
    Within,
)


class Candidate(Protocol):
    """A message that may match.  `internal_day` and `save_day` are days since 1970-01-01, the first in the zone the
    internal date was given with."""

    @property
    def uid(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def modseq(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def internal_epoch(self) -> int: ...
    @property
    def internal_day(self) -> int: ...
    @property
    def save_day(self) -> int: ...

    def sent_day(self) -> int | None:
        """The Date header's day in its own zone."""

    def header(self) -> bytes:
        """The message's header."""

    def content(self) -> bytes:
        """The whole message."""

    def root(self) -> Part:
        """Its parts."""


Matcher: TypeAlias = Callable[[Candidate], bool]


class Cost(IntEnum):
    """The dearest thing a search reads of a message."""

    FACTS = 0
    HEADER = 1
    CONTENT = 2


def cost(key: Key) -> Cost:
    """What it takes to match `key`."""
    if isinstance(key, And):
        return max((cost(part) for part in key.keys), default=Cost.FACTS)
    if isinstance(key, Or):
        return max(cost(key.left), cost(key.right))
    if isinstance(key, Not):
        return cost(key.key)
    if isinstance(key, Header):
        return Cost.HEADER
    if isinstance(key, Text):
        return Cost.CONTENT
    return Cost.FACTS


def conjuncts(key: Key) -> list[Key]:
    """The keys that must all match, each once, the cheapest first; none for a search that everything matches."""
    found: list[Key] = []
    waiting: list[Key] = [key]
    while waiting:
        part = waiting.pop()
        if isinstance(part, And):
            waiting.extend(reversed(part.keys))
        elif not isinstance(part, All):
            found.append(part)
    return sorted(dict.fromkeys(found), key=cost)


def split(key: Key, is_answered: Callable[[Key], bool]) -> tuple[list[Key], list[Key]]:
    """The conjuncts that an engine answers by itself, and the rest."""
    answered: list[Key] = []
    rest: list[Key] = []
    for part in conjuncts(key):
        (answered if is_answered(part) else rest).append(part)
    return answered, rest


def matcher(key: Key, keywords: tuple[str, ...]) -> Matcher:
    """A test for `key`; `keywords` is the mailbox's table."""
    if isinstance(key, And):
        tests = [matcher(part, keywords) for part in sorted(key.keys, key=cost)]
        return lambda candidate: all(test(candidate) for test in tests)
    if isinstance(key, Or):
        cheap, dear = (matcher(part, keywords) for part in sorted((key.left, key.right), key=cost))
        return lambda candidate: cheap(candidate) or dear(candidate)
    if isinstance(key, Not):
        test = matcher(key.key, keywords)
        return lambda candidate: not test(candidate)
    if isinstance(key, Header):
        return _header(key.name.encode("utf-8", "replace"), normalise(key.text))
    if isinstance(key, Text):
        return _text(key.where, normalise(key.text))
    return _facts(key, keywords)


def _facts(key: Key, keywords: tuple[str, ...]) -> Matcher:
    if isinstance(key, Uids):
        uids = key.uids
        return lambda candidate: candidate.uid in uids
    if isinstance(key, HasFlag | HasKeyword):
        bit = key.bit if isinstance(key, HasFlag) else keyword_bit(key.name, keywords)
        return lambda candidate: candidate.flags & bit != 0
    if isinstance(key, Dated):
        return _dated(key)
    if isinstance(key, Within):
        since, before = key.since, key.before
        return lambda candidate: _between(candidate.internal_epoch, since, before)
    if isinstance(key, Sized):
        larger, smaller = key.larger, key.smaller
        return lambda candidate: (
            (larger is None or candidate.size > larger) and (smaller is None or candidate.size < smaller)
        )
    if isinstance(key, ModSeq):
        oldest = key.since
        return lambda candidate: candidate.modseq >= oldest
    return lambda candidate: True


def _dated(key: Dated) -> Matcher:
    since, before = key.since, key.before
    if key.which is DateOf.INTERNAL:
        return lambda candidate: _between(candidate.internal_day, since, before)
    if key.which is DateOf.SAVED:
        return lambda candidate: _between(candidate.save_day, since, before)
    return lambda candidate: _between(candidate.sent_day(), since, before)


def _between(number: int | None, since: int | None, before: int | None) -> bool:
    return number is not None and (since is None or number >= since) and (before is None or number < before)


def _header(name: bytes, wanted: str) -> Matcher:
    lowered = name.lower()

    def test(candidate: Candidate) -> bool:
        header = candidate.header()
        # Most messages lack an uncommon field: one look at the bytes spares taking the header apart.
        return lowered in header.lower() and any(wanted in normalise(text) for text in field_texts(header, name))

    return test


def _text(where: TextIn, wanted: str) -> Matcher:
    def test(candidate: Candidate) -> bool:
        if where is TextIn.TEXT and wanted in normalise(header_text(candidate.header())):
            return True
        return any(wanted in normalise(text) for text in body_text(candidate.content(), candidate.root()))

    return test if wanted else lambda candidate: True
