"""A transaction: operations of several sessions, one after the other, in one commit.

The counters are read once, kept in memory while the operations change them, and written once, before the commit.  An
operation that fails is undone alone: what it wrote by a savepoint, what it counted by a copy made before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from nmsd.model.errors import NoSuchAccount
from nmsd.store.sqlite.redo import Redo
from nmsd.store.sqlite.rows import MailboxCounters, read_account, read_counters
from nmsd.store.sqlite.settings import Limits

T = TypeVar("T")


class Transaction:
    """What an operation works on: the connection, the counters, and a modseq of its own once it changes something.

    `redo` takes what is needed to do it all again, if it is wanted.
    """

    def __init__(self, connection: sqlite3.Connection, limits: Limits, now: float, redoable: bool = False) -> None:
        """Begins it; waits for other writers as long as the connection does.

        Raises NoSuchAccount if the account was erased, sqlite3.Error.
        """
        self.connection = connection
        self.limits = limits
        self.now = int(now)
        connection.execute("BEGIN IMMEDIATE")
        self.account = read_account(connection)
        if self.account.removed:
            connection.execute("ROLLBACK")
            raise NoSuchAccount("The account was removed")
        self.changes: list[tuple[int, int]] = []
        self.redo: list[Redo] | None = [] if redoable else None
        self._mailboxes: dict[int, MailboxCounters] = {}
        self._dirty: set[int] = set()
        self._modseq = 0
        self._written = connection.total_changes

    def run(self, operation: Callable[[Transaction], T], alone: bool = False) -> T:
        """Runs one operation; if it raises, it leaves no trace.  sqlite3.Error leaves the whole transaction undone.

        One that is alone in the transaction needs no savepoint: the transaction is undone with it, and is empty.
        """
        if alone:
            return self._run_alone(operation)
        account = self.account.copy()
        mailboxes = {mailbox_id: counters.copy() for mailbox_id, counters in self._mailboxes.items()}
        dirty = set(self._dirty)
        changes = len(self.changes)
        redo = len(self.redo or ())
        self._modseq = 0
        self.connection.execute("SAVEPOINT operation")
        try:
            result = operation(self)
        except sqlite3.Error:
            raise
        except BaseException:
            self.connection.execute("ROLLBACK TO operation")
            self.connection.execute("RELEASE operation")
            self.account = account
            self._mailboxes = mailboxes
            self._dirty = dirty
            del self.changes[changes:]
            if self.redo is not None:
                del self.redo[redo:]
            raise
        self.connection.execute("RELEASE operation")
        return result

    def _run_alone(self, operation: Callable[[Transaction], T]) -> T:
        try:
            return operation(self)
        except sqlite3.Error:
            raise
        except BaseException:
            self.undo()
            self._mailboxes.clear()
            self._dirty.clear()
            self.changes.clear()
            if self.redo is not None:
                self.redo.clear()
            self._written = self.connection.total_changes
            raise

    def mailbox(self, mailbox_id: int) -> MailboxCounters:
        """The counters of a mailbox, to be changed in place and then stamped or kept.  Raises NoSuchMailbox."""
        counters = self._mailboxes.get(mailbox_id)
        if counters is None:
            counters = self._mailboxes[mailbox_id] = read_counters(self.connection, mailbox_id)
        return counters

    def forget(self, mailbox_id: int) -> None:
        """Drops the counters of a mailbox that was deleted."""
        self._mailboxes.pop(mailbox_id, None)
        self._dirty.discard(mailbox_id)

    def keep(self, counters: MailboxCounters) -> None:
        """Has a mailbox's counters written."""
        self._dirty.add(counters.id)

    def stamp(self, counters: MailboxCounters, modseq: int = 0) -> int:
        """The operation's modseq, given to a mailbox it changes; noted to be announced.  `modseq` is one that was given
        before, if a change is done again that was lost with all after it."""
        if modseq:
            self._modseq = self.account.modseq = max(modseq, self.account.modseq)
        counters.modseq = self.touch(counters.id)
        self.keep(counters)
        return counters.modseq

    def touch(self, mailbox_id: int) -> int:
        """The operation's modseq, to be announced for a mailbox whose row is not in memory; 0: the list of them."""
        if not self._modseq:
            self.account.modseq += 1
            self._modseq = self.account.modseq
        self.changes.append((mailbox_id, self._modseq))
        return self._modseq

    def is_empty(self) -> bool:
        """Whether it changed nothing: then there is nothing to be synced either."""
        return not self.has_counted() and self.connection.total_changes == self._written

    def has_counted(self) -> bool:
        """Whether there are counters to be written: then the commit is sure to write to the WAL."""
        return bool(self.changes or self._dirty)

    def flush(self) -> None:
        """Writes the counters.  Raises sqlite3.Error."""
        if self.changes:
            self.account.write(self.connection)
        for mailbox_id in self._dirty:
            self._mailboxes[mailbox_id].write(self.connection)

    def commit(self) -> None:
        """Makes it last, unless it was undone.  Raises sqlite3.Error."""
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")

    def undo(self) -> None:
        """Takes everything back, unless SQLite has done so by itself."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
