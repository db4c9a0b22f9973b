"""Which names mailboxes and keywords may have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from nmsd.model.errors import InvalidName, LimitReached
from nmsd.model.flags import MAX_KEYWORD_LENGTH
from nmsd.model.mailbox import SEPARATOR
from nmsd.store.sqlite.settings import Limits

# RFC 6855 §3: no control characters, no line or paragraph separators; and no half of a surrogate pair.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_KEYWORD: Final = re.compile(r"[!-~]+")


def check_mailbox_name(name: str, limits: Limits) -> None:
    """Raises InvalidName or, for too many levels or bytes, LimitReached unless a mailbox may be called so."""
    if _FORBIDDEN.search(name):
        raise InvalidName("A mailbox name may not hold control characters or line separators")
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise InvalidName("Each level of a mailbox name needs at least one character")
    if len(levels) > limits.max_hierarchy_depth:
        raise LimitReached(f"A mailbox name may have {limits.max_hierarchy_depth} levels at most")
    if len(name.encode()) > limits.max_name_length:
        raise LimitReached(f"A mailbox name may have {limits.max_name_length} bytes at most")


def check_keywords(keywords: Iterable[str]) -> None:
    """Raises InvalidName unless messages may carry these keywords."""
    for keyword in keywords:
        if not _KEYWORD.fullmatch(keyword):
            raise InvalidName("A keyword needs one or more printable ASCII characters, without spaces")
        if len(keyword) > MAX_KEYWORD_LENGTH:
            raise InvalidName(f"A keyword may have {MAX_KEYWORD_LENGTH} characters at most")
