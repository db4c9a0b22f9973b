"""store.api.Account on SQLite: reads on the spot, writes through the account's commit queue."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, Final, TypeVar

from nmsd.model.changes import Appended, Changes, Copied, Expunged, Stored
from nmsd.model.errors import NoSuchAccount, NoSuchMailbox
from nmsd.model.mailbox import DEFAULT_MAILBOXES, Mailbox, canonical_name
from nmsd.model.message import NO_QUOTA, Digest, Field, NewMessage, Quota, Usage
from nmsd.model.search import Key
from nmsd.model.uidset import UidSet
from nmsd.store.api import Announce, FlagChange, Runtime
from nmsd.store.sqlite import bodies, mailboxes, messages, reading, rows
from nmsd.store.sqlite.cache import OpenAccount, OpenCache
from nmsd.store.sqlite.commit import HEAVY, CommitQueue, weight
from nmsd.store.sqlite.database import create
from nmsd.store.sqlite.faults import translate, translate_os
from nmsd.store.sqlite.fetching import fetch
from nmsd.store.sqlite.journal import Journal
from nmsd.store.sqlite.maildrop import maildrop_lock
from nmsd.store.sqlite.meter import Meter, MeteredQueue
from nmsd.store.sqlite.names import check_keywords, check_mailbox_name
from nmsd.store.sqlite.partitions import Partitions
from nmsd.store.sqlite.redo import Redo
from nmsd.store.sqlite.searching import Search
from nmsd.store.sqlite.settings import Limits
from nmsd.store.sqlite.transaction import Transaction

T = TypeVar("T")

_INLINE_BYTES: Final = 64 * 1024
"""Messages up to this size are taken apart where the caller is, in a millisecond; larger ones in a native thread."""


@dataclass(frozen=True)
class Engine:
    """What all accounts of a store share."""

    root: Path
    partitions: Partitions
    runtime: Runtime
    announce: Announce
    limits: Limits
    now: Callable[[], float]
    digest: Callable[[bytes | mmap], Digest]
    cache: OpenCache
    meter: Meter
    journal: Journal | None
    lock: threading.Lock
    """Held while an account, or its queue, is made."""


class SqliteAccount:
    """One account; see store.api.Account.  Holds no file open: the engine's cache does, for a while."""

    def __init__(self, name: str, file: str, engine: Engine) -> None:
        self.name = name
        self._engine = engine
        self._be_at(file)

    def _be_at(self, file: str) -> None:
        self._file = file
        self._path: Path | None = None  # made when it is asked for: most logins only look whether it is there
        self._queue: MeteredQueue | None = None

    @property
    def path(self) -> Path:
        """Its file."""
        if self._path is None:
            self._path = Path(self._file)
        return self._path

    def _writes(self) -> MeteredQueue:
        """The queue of its writes, made with the first: most logins write nothing."""
        found = self._queue
        if found is not None:
            return found
        engine = self._engine
        with engine.lock:  # there is to be one, whichever threads write first
            if self._queue is None:
                queue = CommitQueue(
                    self.name, self.path, engine.cache, engine.runtime, engine.announce, engine.limits, engine.now,
                    engine.journal,
                )  # fmt: skip
                self._queue = MeteredQueue(queue, engine.meter)
            return self._queue

    def exists(self) -> bool:
        return os.access(self._file, os.F_OK)

    def partition(self) -> str:
        return self._engine.partitions.name_of(self.path)

    def ensure(self, mailboxes_: Sequence[tuple[str, str]] = DEFAULT_MAILBOXES, partition: str = "") -> None:
        if self.exists():
            return
        for name, _ in mailboxes_:
            check_mailbox_name(name, self._engine.limits)
        place = self._engine.partitions.place(self.name, partition)
        try:
            path = self._engine.runtime.offload(lambda: self._make(place, mailboxes_))
        except sqlite3.Error as error:
            raise translate(error, place) from error
        except OSError as error:
            raise translate_os(error, place) from error
        if path != self.path:
            self._be_at(str(path))

    def _make(self, place: Path, mailboxes_: Sequence[tuple[str, str]]) -> Path:
        """Makes the account's file, or finds it where another process has just made it; gives where it is."""
        engine = self._engine
        with engine.partitions.making():
            path = engine.partitions.find(self.name)
            if path is None:
                path = place
                create(path, lambda connection: mailboxes.fill(connection, self.name, mailboxes_, engine.now()))
        return path

    def follow(self) -> bool:
        """Whether the account was moved to another partition; if so it is used there from now on."""
        path = self._engine.partitions.find(self.name)
        if path is None or path == self.path:
            return False
        self._be_at(str(path))
        return True

    # Mailboxes

    def mailboxes(self) -> list[Mailbox]:
        try:
            return self._read(lambda opened, connection: rows.read_mailboxes(connection))
        except NoSuchAccount:
            return []

    def mailbox(self, name: str) -> Mailbox:
        return self._read_mailbox(lambda opened, connection: rows.read_mailbox(connection, name))

    def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        return self._read_mailbox(lambda opened, connection: rows.read_mailbox_by_id(connection, mailbox_id))

    def create(self, name: str, special_use: tuple[str, ...] = ()) -> Mailbox:
        name = canonical_name(name)
        return self._run(lambda transaction: mailboxes.create(transaction, name, special_use))

    def delete(self, name: str) -> None:
        name = canonical_name(name)
        self._run(lambda transaction: mailboxes.delete(transaction, name))

    def rename(self, old: str, new: str) -> None:
        old, new = canonical_name(old), canonical_name(new)
        self._run(lambda transaction: mailboxes.rename(transaction, old, new))

    def set_special_use(self, name: str, special_use: tuple[str, ...]) -> None:
        name = canonical_name(name)
        self._run(lambda transaction: mailboxes.set_special_use(transaction, name, special_use))

    def subscriptions(self) -> list[str]:
        try:
            return self._read(
                lambda opened, connection: [
                    row[0] for row in connection.execute("SELECT name FROM subscription ORDER BY name").fetchall()
                ]
            )
        except NoSuchAccount:
            return []

    def subscribe(self, name: str, subscribed: bool) -> None:
        name = canonical_name(name)
        self._run(lambda transaction: mailboxes.subscribe(transaction, name, subscribed), weight(1))

    def usage(self) -> Usage:
        try:
            return self._read(reading.usage)
        except NoSuchAccount:
            return Usage(0, 0)

    # Reading

    def uids(self, mailbox_id: int) -> UidSet:
        return self._read_mailbox(lambda opened, connection: reading.uids(opened, connection, mailbox_id))

    def snapshot(self, mailbox_id: int) -> tuple[Mailbox, UidSet, int]:
        return self._read_mailbox(lambda opened, connection: reading.snapshot_of(opened, connection, mailbox_id))

    def fetch(self, mailbox_id: int, uids: UidSet, fields: Sequence[Field]) -> Iterator[list[tuple[Any, ...]]]:
        return fetch(self._read_mailbox, mailbox_id, uids, fields)

    def read(self, mailbox_id: int, uid: int, offset: int, length: int) -> bytes:
        return self._read_mailbox(
            lambda opened, connection: reading.read(opened, connection, (mailbox_id, uid), offset, length)
        )

    def changes(self, mailbox_id: int, since: int) -> Changes:
        return self._read_mailbox(lambda opened, connection: reading.changes(opened, connection, mailbox_id, since))

    def search(self, mailbox_id: int, key: Key, within: UidSet) -> Iterator[list[int]]:
        return Search(self._read_mailbox, self._engine.runtime, mailbox_id, key).run(within)

    def _read(self, step: Callable[[OpenAccount, sqlite3.Connection], T]) -> T:
        try:
            return self._engine.cache.read(self.name, self.path, step)
        except NoSuchAccount:
            if not self.follow():
                raise
        return self._engine.cache.read(self.name, self.path, step)

    def _read_mailbox(self, step: Callable[[OpenAccount, sqlite3.Connection], T]) -> T:
        try:
            return self._read(step)
        except NoSuchAccount as error:
            raise NoSuchMailbox("There is no such account, and no mailbox in it") from error

    # Writing

    def append(self, mailbox_id: int, messages_: Sequence[NewMessage], quota: Quota = NO_QUOTA) -> Appended:
        prepared = [self._prepare(message) for message in messages_]
        return self._write(
            lambda transaction: messages.append(transaction, mailbox_id, prepared, quota), _weight(prepared), True
        )

    def append_again(self, appends: Sequence[Redo]) -> int:
        """Does appends anew that a power failure took back, for `journal`; gives how many messages were lost."""
        prepared = [[self._prepare(one.message) for one in redo.messages] for redo in appends]

        def operation(transaction: Transaction) -> int:
            known = transaction.account.modseq
            return sum([messages.append_again(transaction, known, *pair) for pair in zip(appends, prepared)])

        return self.transact(operation)

    def _prepare(self, message: NewMessage) -> bodies.Prepared:
        check_keywords(message.keywords)
        if len(message.data) <= _INLINE_BYTES:
            return bodies.prepare(message, self._engine.digest)
        return self._engine.runtime.offload(lambda: bodies.prepare(message, self._engine.digest))

    def store_flags(
        self,
        mailbox_id: int,
        uids: UidSet,
        change: FlagChange,
        system_flags: int,
        keywords: tuple[str, ...] = (),
        unchanged_since: int | None = None,
    ) -> Stored:
        if change is not FlagChange.REMOVE:
            check_keywords(keywords)
        return self._write(
            lambda transaction: messages.store_flags(
                transaction, mailbox_id, uids, change, system_flags, keywords, unchanged_since
            ),
            weight(len(uids)),
        )

    def expunge(self, mailbox_id: int, uids: UidSet, only_deleted: bool = True) -> Expunged:
        return self._write(lambda transaction: messages.expunge(transaction, mailbox_id, uids, only_deleted))

    def copy(self, mailbox_id: int, uids: UidSet, target_id: int, quota: Quota = NO_QUOTA) -> Copied:
        return self._write(lambda transaction: messages.copy(transaction, mailbox_id, uids, target_id, quota))

    def move(self, mailbox_id: int, uids: UidSet, target_id: int) -> Copied:
        return self._write(lambda transaction: messages.move(transaction, mailbox_id, uids, target_id))

    def claim_recent(self, mailbox_id: int, uidnext: int) -> int:
        mailbox = self.mailbox_by_id(mailbox_id)
        if mailbox.recent_uid >= min(uidnext, mailbox.uidnext):
            return mailbox.recent_uid
        return self._write(lambda transaction: mailboxes.claim_recent(transaction, mailbox_id, uidnext), weight(1))

    def lock_maildrop(self) -> AbstractContextManager[None]:
        return maildrop_lock(self.path)

    def transact(self, operation: Callable[[Transaction], T]) -> T:
        """Runs an operation of the engine's own in the next transaction."""
        return self._writes().run(operation)

    def _write(self, operation: Callable[[Transaction], T], weight: int = HEAVY, redoable: bool = False) -> T:
        try:
            return self._run(operation, weight, redoable)
        except NoSuchAccount as error:
            raise NoSuchMailbox("There is no such account, and no mailbox in it") from error

    def _run(self, operation: Callable[[Transaction], T], weight: int = HEAVY, redoable: bool = False) -> T:
        try:
            return self._writes().run(operation, weight, redoable)
        except NoSuchAccount:
            if not self.follow():
                raise
        return self._writes().run(operation, weight, redoable)


def _weight(prepared: Sequence[bodies.Prepared]) -> int:
    """An append's; a message that was taken apart in a native thread is stored in one, too."""
    if max([one.size for one in prepared], default=0) > _INLINE_BYTES:
        return HEAVY
    keywords = sum([len(keyword) for one in prepared for keyword in one.message.keywords])
    return weight(3 * len(prepared), sum([one.size for one in prepared]) + 4 * keywords)
