"""Messages: what goes into a store, and what can be asked of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from mmap import mmap
from typing import Final


@dataclass(frozen=True)
class Instant:
    """A moment with the zone it was given in: seconds since the epoch, UTC, and minutes east of UTC."""

    epoch: int
    zone: int = 0


@dataclass(frozen=True)
class NewMessage:
    """A message to be stored.

    `data` is the whole message, with CRLF line ends as it came (a mapped file for a large one).  `keywords` are names;
    `system_flags` the bits of model.flags.
    """

    data: bytes | mmap
    internal_date: Instant
    system_flags: int = 0
    keywords: tuple[str, ...] = ()


class Field(Enum):
    """What `Account.fetch` can give of a message; the type of each value is in the comment."""

    FLAGS = "flags"  # int, bits of model.flags and the mailbox's keyword table
    MODSEQ = "modseq"  # int
    SIZE = "size"  # int, bytes
    INTERNAL_DATE = "internal_date"  # bytes, an IMAP date-time ready for the wire, without quotes
    INTERNAL_EPOCH = "internal_epoch"  # int, seconds UTC
    SAVE_EPOCH = "save_epoch"  # int, seconds UTC: when it came into this mailbox (RFC 8514)
    ENVELOPE = "envelope"  # bytes, RFC 3501 envelope ready for the wire, parentheses included
    BODY = "body"  # bytes, the non-extensible BODY, ready for the wire
    BODYSTRUCTURE = "bodystructure"  # bytes, with extension data, ready for the wire
    PARTS = "parts"  # bytes, mime.parts.unpack gives the tree with offsets
    HEADER = "header"  # bytes, the message's header with the empty line that ends it
    TEXT = "text"  # bytes, all after the header; HEADER + TEXT is the message
    EMAIL_ID = "email_id"  # str, EMAILID of RFC 8474 §5.1: the same in every mailbox of the account


@dataclass(frozen=True)
class Quota:
    """What an account may hold; None: no limit."""

    size: int | None = None
    messages: int | None = None


NO_QUOTA: Final = Quota()


@dataclass(frozen=True)
class Usage:
    """What an account holds: message bytes and messages over all its mailboxes (each copy counts)."""

    size: int
    messages: int


@dataclass(frozen=True)
class Digest:
    """All that is worked out of a message once, when it arrives (made by mime.digest).

    `header_size` is the length of the header with its closing empty line.  `envelope`, `body` and `bodystructure` are
    wire-ready.  `parts` is the packed part tree.  `sent_date` is the Date header as days since the epoch in its own
    zone (what SENTBEFORE/SENTON/SENTSINCE compare, RFC 3501 §6.4.4), or None without a valid one.
    """

    header_size: int
    envelope: bytes
    body: bytes
    bodystructure: bytes
    parts: bytes
    sent_date: int | None = field(default=None)
