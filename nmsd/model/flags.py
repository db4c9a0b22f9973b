"""Message flags as one integer: five system flags in the low bits, the mailbox's keywords above them.

A mailbox keeps an append-only table of its keywords; keyword `i` of the table is bit `KEYWORD_SHIFT + i` of a message's
flags.  58 keywords fill SQLite's 63 usable bits.  \\Recent is no flag of a message: a session works it out (RFC 3501
§2.3.2).
"""

from collections.abc import Iterable, Sequence
from typing import Final

SEEN: Final = 1
ANSWERED: Final = 2
FLAGGED: Final = 4
DELETED: Final = 8
DRAFT: Final = 16

SYSTEM_FLAGS: Final = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
SYSTEM_MASK: Final = 31
KEYWORD_SHIFT: Final = 5
MAX_KEYWORDS: Final = 58
MAX_KEYWORD_LENGTH: Final = 100

_SYSTEM_BITS: Final = {name.lower(): 1 << bit for bit, name in enumerate(SYSTEM_FLAGS)}


def system_bit(name: str) -> int:
    """The bit of a system flag by its name, in any case ("\\seen"); 0 if it is none."""
    return _SYSTEM_BITS.get(name.lower(), 0)


def flag_names(flags: int, keywords: Sequence[str]) -> list[str]:
    """The names of the flags set in `flags`, system flags first; `keywords` is the mailbox's table."""
    names = [name for bit, name in enumerate(SYSTEM_FLAGS) if flags >> bit & 1]
    rest = flags >> KEYWORD_SHIFT
    index = 0
    while rest:
        if rest & 1 and index < len(keywords):
            names.append(keywords[index])
        rest >>= 1
        index += 1
    return names


def keyword_bit(name: str, keywords: Sequence[str]) -> int:
    """The bit of keyword `name` (compared without case, RFC 3501 §2.3.2) in the table; 0 if the table lacks it."""
    wanted = name.lower()
    for index, keyword in enumerate(keywords):
        if keyword.lower() == wanted:
            return 1 << (KEYWORD_SHIFT + index)
    return 0


def split_flags(names: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """Flag names, as a client gives them, apart: (system flag bits, keywords without duplicates, in order)."""
    system = 0
    keywords: list[str] = []
    for name in names:
        bit = system_bit(name)
        if bit:
            system |= bit
        elif keyword_bit(name, keywords) == 0:
            keywords.append(name)
    return system, tuple(keywords)
