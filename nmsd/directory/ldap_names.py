"""Distinguished names as text: which are the same, and which lies below which (RFC 4514)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_RDN_END: Final = re.compile(r"((?:[^\\,;]|\\.)*)(?:[,;]|$)", re.DOTALL)
_SPACES: Final = re.compile(r"\s*([=+])\s*")


@lru_cache(4096)
def normal(dn: str) -> str:
    """The name as it may be compared: in lower case, without the spaces that do not count."""
    parts = []
    place = 0
    while place < len(dn):
        found = _RDN_END.match(dn, place)
        if found is None:  # a backslash at the end
            parts.append(dn[place:])
            break
        parts.append(_SPACES.sub(r"\1", _strip(found.group(1)), count=1).lower())
        place = found.end()
    return ",".join(parts)


def is_below(dn: str, base: str) -> bool:
    """Whether the entry is the base or below it."""
    name, top = normal(dn), normal(base)
    if not top or name == top:
        return True
    if not name.endswith("," + top):
        return False
    before = name[: -len(top) - 1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0  # else the comma belongs to a value


def _strip(part: str) -> str:
    """Without spaces at the ends, but for an escaped one."""
    text = part.strip()
    return text + " " if text.endswith("\\") and not text.endswith("\\\\") and part.rstrip() != part else text
