"""A search, as a tree of plain values (RFC 3501 §6.4.4, RFC 9051 §6.4.4, RFC 7162 §3.1.5).

Sequence numbers never reach a store: the session turns them into UIDs first.  Text is compared as Unicode, without
case, as a substring (wire charsets are decoded before).  Dates are days since 1970-01-01; the internal date counts in
the zone the message was given with, the sent date in its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from nmsd.model.uidset import UidSet


@dataclass(frozen=True)
class All:
    """Every message."""


@dataclass(frozen=True)
class And:
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Or:
    left: Key
    right: Key


@dataclass(frozen=True)
class Not:
    key: Key


@dataclass(frozen=True)
class Uids:
    """Messages with one of these UIDs."""

    uids: UidSet


@dataclass(frozen=True)
class HasFlag:
    """Messages with this system flag (a bit of model.flags)."""

    bit: int


@dataclass(frozen=True)
class HasKeyword:
    """Messages with this keyword, compared without case."""

    name: str


class DateOf(Enum):
    """Which date of a message: its internal date, its Date header, or when it came into the mailbox."""

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


@dataclass(frozen=True)
class Dated:
    """Messages whose date lies in since <= date < before, in days; None leaves that side open."""

    which: DateOf
    since: int | None
    before: int | None


@dataclass(frozen=True)
class Within:
    """Messages younger (or not younger) than so many seconds, by internal date: epoch bounds as in Dated."""

    since: int | None
    before: int | None


@dataclass(frozen=True)
class Sized:
    """Messages with larger < size < smaller, in bytes; None leaves that side open."""

    larger: int | None
    smaller: int | None


@dataclass(frozen=True)
class Header:
    """Messages with a header field `name` (no case) whose decoded text holds `text`; '' matches any such field."""

    name: str
    text: str


class TextIn(Enum):
    """Where text is sought: the body only, or header and body."""

    BODY = "body"
    TEXT = "text"


@dataclass(frozen=True)
class Text:
    """Messages whose decoded text parts (and headers, for TEXT) hold `text`."""

    where: TextIn
    text: str


@dataclass(frozen=True)
class ModSeq:
    """Messages whose modseq is at least this."""

    since: int


Key: TypeAlias = All | And | Or | Not | Uids | HasFlag | HasKeyword | Dated | Within | Sized | Header | Text | ModSeq
