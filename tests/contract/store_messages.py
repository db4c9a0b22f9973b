"""Messages for the store's tests, and short ways to look at mailboxes."""

from __future__ import annotations

from typing import Any, Final

from nmsd.model.message import Field, Instant, NewMessage
from nmsd.model.search import Key
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account

EVERYTHING: Final = UidSet([(1, 0xFFFFFFFF)])


def letter(text: str = "hello", size: int = 0) -> bytes:
    """A message whose subject is `text`, filled up to `size` bytes if that is more."""
    data = b"From: Bob <bob@example.org>\r\nTo: alice@example.com\r\nSubject: %s\r\n\r\n%s\r\n" % ((text.encode(),) * 2)
    return data + b"x" * (size - len(data))


def new(
    text: str = "hello", flags: int = 0, keywords: tuple[str, ...] = (), size: int = 0, at: Instant = Instant(1000)
) -> NewMessage:
    """A new message."""
    return NewMessage(letter(text, size), at, flags, keywords)


def fill(account: Account, mailbox_id: int, count: int) -> None:
    """Appends messages with the subjects 1, 2, …."""
    account.append(mailbox_id, [new(str(number)) for number in range(1, count + 1)])


def fetch(account: Account, mailbox_id: int, *fields: Field, uids: UidSet = EVERYTHING) -> list[tuple[Any, ...]]:
    """All rows, without their slices."""
    return [row for rows in account.fetch(mailbox_id, uids, fields) for row in rows]


def flags(account: Account, mailbox_id: int) -> dict[int, int]:
    """The flags of each message."""
    return dict(fetch(account, mailbox_id, Field.FLAGS))


def found(account: Account, mailbox_id: int, key: Key, within: UidSet = EVERYTHING) -> list[int]:
    """All UIDs that match, without their slices."""
    return [uid for uids in account.search(mailbox_id, key, within) for uid in uids]


def uids(*numbers: int) -> UidSet:
    """The set of these UIDs."""
    return UidSet.of(numbers)
