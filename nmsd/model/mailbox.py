"""Mailboxes as the store knows them."""

import unicodedata
from dataclasses import dataclass
from typing import Final

SEPARATOR: Final = "/"
INBOX: Final = "INBOX"

# The special uses of RFC 6154 §2, with the names new accounts get for them.
SPECIAL_USES: Final = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
DEFAULT_MAILBOXES: Final = (("Drafts", "\\Drafts"), ("Junk", "\\Junk"), ("Sent", "\\Sent"), ("Trash", "\\Trash"))


@dataclass(frozen=True)
class Mailbox:
    """One mailbox with its counters, as of the moment it was read.

    `name` is Unicode with levels joined by SEPARATOR; the first level INBOX is always written so.  `recent_uid` is the
    first UID no session has yet been told of as \\Recent.  `modseq` is HIGHESTMODSEQ (RFC 7162 §3.1.2.1), never 0.
    `object_id` is MAILBOXID (RFC 8474 §4).  `size` is the sum of message sizes in bytes.
    """

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    recent_uid: int
    keywords: tuple[str, ...]
    special_use: tuple[str, ...]
    object_id: str


LONGEST_COMPOSED: Final = 1000
"""A longer name stays as it is: hardly any may be made, and to put many combining marks in order takes Python time as
the square of their number."""


def composed(name: str) -> str:
    """`name` in Unicode's normalization form C, as Net-Unicode has it (RFC 5198 §2)."""
    return name if name.isascii() or len(name) > LONGEST_COMPOSED else unicodedata.normalize("NFC", name)


def canonical_name(name: str) -> str:
    """`name` with its first level spelled INBOX if it is that in any case (RFC 3501 §5.1), and its characters composed,
    so that no two mailboxes look the same (RFC 9051 §5.1)."""
    name = composed(name)
    head, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if head.upper() == INBOX else name


def parents(name: str) -> list[str]:
    """The superior names of `name`, outermost first: "a/b/c" gives ["a", "a/b"]."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]
