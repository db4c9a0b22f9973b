"""The folding of text for search."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import combining, normalize

# Python's NFKD takes quadratic time to put combining marks in order.  A run of them can be no longer than what stands
# between two white spaces; where all of that is short, nothing is lost by it.
_LONGEST_WORD: Final = 500


def normalise(text: str) -> str:
    """The one folding used on both sides of every search: NFKD, then upper case.

    It finds what i;unicode-casemap (RFC 5051) finds, and besides "ss" for "ß".  It looks at no character's neighbours
    (but for the order of combining marks), so a substring stays a substring.
    """
    if text.isascii():
        return text.upper()
    if len(text) > _LONGEST_WORD and max(map(len, text.split()), default=0) > _LONGEST_WORD:
        return decompose(text).upper()
    return normalize("NFKD", text).upper()


def decompose(text: str) -> str:
    """NFKD, slower than Python's on ordinary text but never quadratic."""
    text = text.translate({ord(character): normalize("NFKD", character) for character in set(text)})
    marks = "".join([character for character in set(text) if combining(character)])
    if not marks:
        return text
    return re.sub(f"[{re.escape(marks)}]{{2,}}", _in_order, text)


def _in_order(match: re.Match[str]) -> str:
    return "".join(sorted(match.group(), key=combining))
