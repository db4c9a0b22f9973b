"""The counters of an account and of its mailboxes: as rows of the database, and while a transaction changes them."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from nmsd.model.errors import NoSuchMailbox
from nmsd.model.mailbox import Mailbox

_MAILBOX: Final = (
    "SELECT id, name, uidvalidity, uidnext, modseq, messages, unseen, deleted, size, recent_uid, keywords, special_use,"
    " object_id FROM mailbox"
)
_BY_NAME: Final = _MAILBOX + " WHERE name = ?"
_BY_ID: Final = _MAILBOX + " WHERE id = ?"
_ALL: Final = _MAILBOX + " ORDER BY name"

_COUNTERS: Final = (
    "SELECT id, uidvalidity, uidnext, modseq, messages, unseen, deleted, size, recent_uid, keywords, expunge_modseq,"
    " horizon, log_entries FROM mailbox WHERE id = ?"
)
_UPDATE_MAILBOX: Final = (
    "UPDATE mailbox SET uidnext = ?, modseq = ?, messages = ?, unseen = ?, deleted = ?, size = ?, recent_uid = ?,"
    " keywords = ?, expunge_modseq = ?, horizon = ?, log_entries = ? WHERE id = ?"
)
_ACCOUNT: Final = (
    "SELECT modseq, uidvalidity, last_mailbox, last_body, size, messages, removed FROM account WHERE id = 1"
)
_UPDATE_ACCOUNT: Final = (
    "UPDATE account SET modseq = ?, uidvalidity = ?, last_mailbox = ?, last_body = ?, size = ?, messages = ?"
    " WHERE id = 1"
)


def mailbox_of(row: tuple[Any, ...]) -> Mailbox:
    """The Mailbox of a row."""
    return Mailbox(
        id=row[0],
        name=row[1],
        uidvalidity=row[2],
        uidnext=row[3],
        modseq=row[4],
        messages=row[5],
        unseen=row[6],
        deleted=row[7],
        size=row[8],
        recent_uid=row[9],
        keywords=tuple(row[10].split()),
        special_use=tuple(row[11].split()),
        object_id=row[12],
    )


def read_mailbox(connection: sqlite3.Connection, name: str) -> Mailbox:
    """The mailbox of this name.  Raises NoSuchMailbox."""
    row = connection.execute(_BY_NAME, (name,)).fetchone()
    if row is None:
        raise NoSuchMailbox(f"There is no mailbox {name!r}")
    return mailbox_of(row)


def read_mailbox_by_id(connection: sqlite3.Connection, mailbox_id: int) -> Mailbox:
    """The mailbox with this id.  Raises NoSuchMailbox."""
    row = connection.execute(_BY_ID, (mailbox_id,)).fetchone()
    if row is None:
        raise NoSuchMailbox("The mailbox was deleted")
    return mailbox_of(row)


def read_mailboxes(connection: sqlite3.Connection) -> list[Mailbox]:
    """All mailboxes, by name."""
    return [mailbox_of(row) for row in connection.execute(_ALL).fetchall()]


class MailboxCounters:
    """A mailbox's numbers inside a transaction."""

    __slots__ = (
        "deleted",
        "expunge_modseq",
        "horizon",
        "id",
        "keywords",
        "log_entries",
        "messages",
        "modseq",
        "recent_uid",
        "size",
        "uidnext",
        "uidvalidity",
        "unseen",
    )

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.id: int = row[0]
        self.uidvalidity: int = row[1]
        self.uidnext: int = row[2]
        self.modseq: int = row[3]
        self.messages: int = row[4]
        self.unseen: int = row[5]
        self.deleted: int = row[6]
        self.size: int = row[7]
        self.recent_uid: int = row[8]
        self.keywords: tuple[str, ...] = tuple(row[9].split())
        self.expunge_modseq: int = row[10]
        self.horizon: int = row[11]
        self.log_entries: int = row[12]

    def copy(self) -> MailboxCounters:
        """The same numbers again."""
        return MailboxCounters(
            (
                self.id,
                self.uidvalidity,
                self.uidnext,
                self.modseq,
                self.messages,
                self.unseen,
                self.deleted,
                self.size,
                self.recent_uid,
                " ".join(self.keywords),
                self.expunge_modseq,
                self.horizon,
                self.log_entries,
            )
        )

    def write(self, connection: sqlite3.Connection) -> None:
        """Puts the numbers into the mailbox's row."""
        connection.execute(
            _UPDATE_MAILBOX,
            (
                self.uidnext,
                self.modseq,
                self.messages,
                self.unseen,
                self.deleted,
                self.size,
                self.recent_uid,
                " ".join(self.keywords),
                self.expunge_modseq,
                self.horizon,
                self.log_entries,
                self.id,
            ),
        )


def read_counters(connection: sqlite3.Connection, mailbox_id: int) -> MailboxCounters:
    """A mailbox's numbers.  Raises NoSuchMailbox."""
    row = connection.execute(_COUNTERS, (mailbox_id,)).fetchone()
    if row is None:
        raise NoSuchMailbox("The mailbox was deleted")
    return MailboxCounters(row)


class AccountCounters:
    """An account's numbers inside a transaction."""

    __slots__ = ("last_body", "last_mailbox", "messages", "modseq", "removed", "size", "uidvalidity")

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.modseq: int = row[0]
        self.uidvalidity: int = row[1]
        self.last_mailbox: int = row[2]
        self.last_body: int = row[3]
        self.size: int = row[4]
        self.messages: int = row[5]
        self.removed: bool = bool(row[6])

    def values(self) -> tuple[int, ...]:
        """The numbers in the order of the row, without `removed`."""
        return (self.modseq, self.uidvalidity, self.last_mailbox, self.last_body, self.size, self.messages)

    def copy(self) -> AccountCounters:
        """The same numbers again."""
        return AccountCounters((*self.values(), self.removed))

    def write(self, connection: sqlite3.Connection) -> None:
        """Puts the numbers into the account's row."""
        connection.execute(_UPDATE_ACCOUNT, self.values())


def read_account(connection: sqlite3.Connection) -> AccountCounters:
    """The account's numbers."""
    return AccountCounters(connection.execute(_ACCOUNT).fetchone())
