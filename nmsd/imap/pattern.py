"""Mailbox patterns of LIST and LSUB (RFC 9051 §6.3.9): "*" stands for anything, "%" for anything within a level.

Security: a client chooses the patterns and, by CREATE, the names.  A regular expression with many wildcards may try
each way to share a name among them; here all ways are followed at once, so the time goes with the name's length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from nmsd.imap.errors import No
from nmsd.model.mailbox import INBOX, SEPARATOR, composed

_WILDCARDS: Final = re.compile(r"([*%]+)")
PATTERNS_MAX: Final = 1 << 14
"""The patterns of one command may have so many characters together, references included; the longest names have half
as many."""


def whole_patterns(reference: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns with the reference before them and their characters composed, as names are; the empty ones left out.
    Raises No if they are too long."""
    if len(reference) * len(patterns) + sum([len(pattern) for pattern in patterns]) > PATTERNS_MAX:
        raise No("Patterns too long", b"LIMIT")
    return tuple([composed(reference + pattern) for pattern in patterns if pattern])


class Patterns:
    """Several patterns, whole.

    The places in all the patterns are the bits of one number.  A place at a wildcard is kept by the characters that the
    wildcard takes; one before a character moves past it.
    """

    __slots__ = ("_begin", "_end", "_moves", "_stars", "_wild")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._moves: dict[str, int] = {}
        self._begin: int = 0
        self._end: int = 0
        self._stars: int = 0
        self._wild: int = 0
        place = 1
        for pattern in patterns:
            self._begin |= place
            for piece in _WILDCARDS.split(_with_inbox(pattern)):
                if piece[:1] in ("*", "%"):
                    self._wild |= place
                    if "*" in piece:
                        self._stars |= place
                    place <<= 1
                    continue
                for sign in piece:
                    self._moves[sign] = self._moves.get(sign, 0) | place
                    place <<= 1
            self._end |= place
            place <<= 1

    def match(self, name: str) -> bool:
        """Whether the name is one that a pattern means."""
        wild = self._wild
        stars = self._stars
        moves = self._moves
        places = self._begin
        places |= (places & wild) << 1
        for sign in name:
            kept = places & (stars if sign == SEPARATOR else wild)
            places = kept | (places & moves.get(sign, 0)) << 1
            if not places:
                return False
            places |= (places & wild) << 1
        return bool(places & self._end)


def _with_inbox(pattern: str) -> str:
    """The pattern with INBOX, in any case, as names are written."""
    head = pattern[: len(INBOX)]
    return INBOX + pattern[len(INBOX) :] if head.upper() == INBOX and pattern[5:6] in ("", "/", "*", "%") else pattern
