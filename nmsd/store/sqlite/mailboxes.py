"""Making, deleting and renaming mailboxes.  Each function is one operation of a transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from nmsd.model.errors import CannotDo, LimitReached, MailboxExists, MailboxHasChildren, NoSuchMailbox
from nmsd.model.mailbox import INBOX, SEPARATOR, Mailbox, canonical_name, parents
from nmsd.model.uidset import UidSet
from nmsd.store.sqlite import bodies, messages
from nmsd.store.sqlite.names import check_mailbox_name
from nmsd.store.sqlite.rows import read_mailbox_by_id
from nmsd.store.sqlite.transaction import Transaction

_INSERT: Final = (
    "INSERT INTO mailbox (id, name, uidvalidity, uidnext, modseq, messages, unseen, deleted, size, recent_uid,"
    " keywords, special_use, object_id, expunge_modseq, horizon, log_entries)"
    " VALUES (?, ?, ?, 1, ?, 0, 0, 0, 0, 1, '', ?, ?, 0, 0, 0)"
)
_INSERT_ACCOUNT: Final = (
    "INSERT INTO account (id, name, modseq, uidvalidity, last_mailbox, last_body, size, messages)"
    " VALUES (1, ?, 1, ?, ?, 0, 0, 0)"
)


def fill(connection: sqlite3.Connection, account: str, wanted: Sequence[tuple[str, str]], now: float) -> None:
    """Puts a new account's row, INBOX and the (name, special use) mailboxes into an empty file."""
    names: dict[str, str] = {INBOX: ""}
    for name, special_use in wanted:
        name = canonical_name(name)
        for parent in parents(name):
            names.setdefault(parent, "")
        names[name] = special_use
    for number, (name, special_use) in enumerate(names.items(), 1):
        connection.execute(_INSERT, (number, name, int(now) + number - 1, 1, special_use, new_object_id()))
        connection.execute("INSERT INTO subscription (name) VALUES (?)", (name,))
    connection.execute(_INSERT_ACCOUNT, (account, int(now) + len(names) - 1, len(names)))


def new_object_id() -> str:
    """A MAILBOXID (RFC 8474 §4) that no other mailbox has."""
    return "F" + os.urandom(12).hex()


def create(transaction: Transaction, name: str, special_use: tuple[str, ...]) -> Mailbox:
    """Creates a mailbox and the superiors it lacks.  Raises MailboxExists, InvalidName, LimitReached."""
    check_mailbox_name(name, transaction.limits)
    if _find(transaction, name):
        raise MailboxExists(f"The mailbox {name!r} exists")
    return read_mailbox_by_id(transaction.connection, _make(transaction, name, special_use))


def _make(transaction: Transaction, name: str, special_use: tuple[str, ...] = ()) -> int:
    """Makes a mailbox with its superiors, and returns its id."""
    lacking = [parent for parent in parents(name) if not _find(transaction, parent)]
    present = transaction.connection.execute("SELECT count(*) FROM mailbox").fetchone()[0]
    if present + len(lacking) + 1 > transaction.limits.max_mailboxes:
        raise LimitReached(f"An account may have {transaction.limits.max_mailboxes} mailboxes at most")
    for parent in lacking:
        _insert(transaction, parent, ())
    return _insert(transaction, name, special_use)


def _insert(transaction: Transaction, name: str, special_use: tuple[str, ...]) -> int:
    account = transaction.account
    account.last_mailbox += 1
    # Ascending for the account as a whole: a name made anew never gets a value it had (RFC 9051 §2.3.1.1).
    account.uidvalidity = max(account.uidvalidity + 1, transaction.now)
    mailbox_id = account.last_mailbox
    modseq = transaction.touch(mailbox_id)
    transaction.connection.execute(
        _INSERT, (mailbox_id, name, account.uidvalidity, modseq, " ".join(special_use), new_object_id())
    )
    return mailbox_id


def delete(transaction: Transaction, name: str) -> None:
    """Deletes a mailbox.  Raises NoSuchMailbox, MailboxHasChildren, CannotDo."""
    if name == INBOX:
        raise CannotDo("INBOX cannot be deleted")
    mailbox_id = _find(transaction, name)
    if not mailbox_id:
        if _inferiors(transaction, name):
            raise MailboxHasChildren(f"{name!r} is only a level above other mailboxes")
        raise NoSuchMailbox(f"There is no mailbox {name!r}")
    connection = transaction.connection
    mailbox = transaction.mailbox(mailbox_id)
    transaction.account.messages -= mailbox.messages
    transaction.account.size -= mailbox.size
    transaction.touch(mailbox_id)
    rows = connection.execute("SELECT body_id FROM message WHERE mailbox_id = ?", (mailbox_id,)).fetchall()
    for table in ("message", "expunged"):
        connection.execute(f"DELETE FROM {table} WHERE mailbox_id = ?", (mailbox_id,))
    connection.execute("DELETE FROM mailbox WHERE id = ?", (mailbox_id,))
    bodies.release(connection, [row[0] for row in rows])
    transaction.forget(mailbox_id)


def rename(transaction: Transaction, old: str, new: str) -> None:
    """Renames a mailbox and its inferiors; of INBOX moves the messages.  Raises NoSuchMailbox, MailboxExists,
    InvalidName, CannotDo, LimitReached."""
    check_mailbox_name(new, transaction.limits)
    if old == INBOX:
        _rename_inbox(transaction, new)
        return
    mailbox_id = _find(transaction, old)
    renamed = [(mailbox_id, old)] if mailbox_id else []
    renamed += _inferiors(transaction, old)
    if not renamed:
        raise NoSuchMailbox(f"There is no mailbox {old!r}")
    if new.startswith(old + SEPARATOR):
        raise CannotDo("A mailbox cannot be renamed to an inferior of its own")
    if _find(transaction, new):
        raise MailboxExists(f"The mailbox {new!r} exists")
    moved = [(mailbox_id, new + name[len(old) :]) for mailbox_id, name in renamed]
    leaving = {0, *(mailbox_id for mailbox_id, _ in moved)}
    for _, name in moved:
        check_mailbox_name(name, transaction.limits)
        if _find(transaction, name) not in leaving:
            raise MailboxExists(f"The mailbox {name!r} exists")
    # Superiors first: renaming a/b to a, a/b/b may take the name that a/b has just left.
    for mailbox_id, name in moved:
        transaction.stamp(transaction.mailbox(mailbox_id))
        transaction.connection.execute("UPDATE mailbox SET name = ? WHERE id = ?", (name, mailbox_id))
    # Last, so that a superior is not made which is about to appear by the renaming itself.
    for parent in parents(new):
        if not _find(transaction, parent):
            _make(transaction, parent)


def _rename_inbox(transaction: Transaction, new: str) -> None:
    if _find(transaction, new):
        raise MailboxExists(f"The mailbox {new!r} exists")
    inbox_id = _find(transaction, INBOX)
    target_id = _make(transaction, new)
    inbox = transaction.mailbox(inbox_id)
    if inbox.messages:
        messages.move(transaction, inbox_id, UidSet([(1, inbox.uidnext)]), target_id)


def set_special_use(transaction: Transaction, name: str, special_use: tuple[str, ...]) -> None:
    """Replaces a mailbox's special uses.  Raises NoSuchMailbox."""
    mailbox_id = _find(transaction, name)
    if not mailbox_id:
        raise NoSuchMailbox(f"There is no mailbox {name!r}")
    text = " ".join(special_use)
    connection = transaction.connection
    if connection.execute("SELECT special_use FROM mailbox WHERE id = ?", (mailbox_id,)).fetchone()[0] != text:
        transaction.stamp(transaction.mailbox(mailbox_id))
        connection.execute("UPDATE mailbox SET special_use = ? WHERE id = ?", (text, mailbox_id))


def subscribe(transaction: Transaction, name: str, subscribed: bool) -> None:
    """Adds a name to the subscriptions or removes it.  Raises InvalidName."""
    if subscribed:
        check_mailbox_name(name, transaction.limits)
        sql = "INSERT OR IGNORE INTO subscription (name) VALUES (?)"
    else:
        sql = "DELETE FROM subscription WHERE name = ?"
    if transaction.connection.execute(sql, (name,)).rowcount:
        transaction.touch(0)


def claim_recent(transaction: Transaction, mailbox_id: int, uidnext: int) -> int:
    """Moves recent_uid up to `uidnext`; returns what it was.  Raises NoSuchMailbox."""
    mailbox = transaction.mailbox(mailbox_id)
    before = mailbox.recent_uid
    if before < min(uidnext, mailbox.uidnext):
        mailbox.recent_uid = min(uidnext, mailbox.uidnext)
        transaction.keep(mailbox)
    return before


def _find(transaction: Transaction, name: str) -> int:
    row = transaction.connection.execute("SELECT id FROM mailbox WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None else 0


def _inferiors(transaction: Transaction, name: str) -> list[tuple[int, str]]:
    # "0" is the character after "/": the names between the two are those below it.
    return transaction.connection.execute(
        "SELECT id, name FROM mailbox WHERE name > ? AND name < ? ORDER BY name",
        (name + SEPARATOR, name + chr(ord(SEPARATOR) + 1)),
    ).fetchall()
