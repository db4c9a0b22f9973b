"""What is found in a mail tree: folders with messages, and what had to be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from nmsd.model.flags import MAX_KEYWORD_LENGTH
from nmsd.model.mailbox import SEPARATOR
from nmsd.model.message import Instant
from nmsd.wire.errors import BadSyntax
from nmsd.wire.mailboxname import decode_name

_NOT_IN_KEYWORDS: Final = frozenset('(){%*"\\] ')


@dataclass(frozen=True)
class Found:
    """A message of a source.

    `key` tells it from all others of its folder, and stays the same while the source holds it, whatever flags it gets.
    `origin` is for people.  `read` gives the message with CRLF line ends; it raises OSError.
    """

    key: str
    origin: str
    internal_date: Instant
    size: int
    read: Callable[[], bytes]
    system_flags: int = 0
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Something that cannot be imported, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class Folder:
    """A folder of a source: `name` is the mailbox it should become, `path` where it is, `count` about how many messages
    it has (for the progress display)."""

    name: str
    path: str
    count: int
    messages: Callable[[], Iterator[Found | Refused]]


def clean_keyword(text: str) -> str:
    """A keyword as IMAP allows it (an atom, RFC 9051 §9): other characters become "_"; '' if nothing is left."""
    return "".join("_" if sign in _NOT_IN_KEYWORDS or not "!" <= sign <= "~" else sign for sign in text)[
        :MAX_KEYWORD_LENGTH
    ].lstrip("\\")


def level_name(raw: bytes) -> str:
    """A folder's name on disk as a level of a mailbox name: modified UTF-7 (Dovecot, Courier), else UTF-8, else
    Latin-1.  The hierarchy separator in it becomes "_"."""
    try:
        name = decode_name(raw, False)
    except BadSyntax:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
    return name.replace(SEPARATOR, "_")
