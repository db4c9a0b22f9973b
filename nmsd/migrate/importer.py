"""Imports folders of messages into an account, in batches, each noted in a journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from nmsd.migrate.journal import Intent, Journal, is_run
from nmsd.migrate.source import Folder, Found, Refused
from nmsd.model.errors import InvalidName, LimitReached, MailboxExists, NoSuchMailbox, OverQuota, StoreError, TooBig
from nmsd.model.mailbox import INBOX, SEPARATOR, Mailbox, canonical_name
from nmsd.model.message import Field, NewMessage
from nmsd.store.api import Account

BATCH_MESSAGES: Final = 250
BATCH_BYTES: Final = 8 << 20


@dataclass
class Summary:
    """What came of an import.  `known`: messages that an earlier run had imported; `notes`: what was changed on the way
    in; `mailboxes`: messages imported, by mailbox."""

    imported: int = 0
    size: int = 0
    known: int = 0
    mailboxes: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Batch:
    """Messages read and not yet appended."""

    found: list[Found] = field(default_factory=list)
    messages: list[NewMessage] = field(default_factory=list)
    size: int = 0

    def add(self, found: Found, message: NewMessage) -> None:
        self.found.append(found)
        self.messages.append(message)
        self.size += len(message.data)

    def is_full(self) -> bool:
        return len(self.messages) >= BATCH_MESSAGES or self.size >= BATCH_BYTES


class Importer:
    """Imports into one account.

    `max_size` is store.maxmessagesize; `into` a mailbox below which all goes, '' for none; `progress` is called with
    how many more messages were dealt with.
    """

    def __init__(self, account: Account, max_size: int, into: str, progress: Callable[[int], None]) -> None:
        self.summary = Summary()
        self._account = account
        self._max_size = max_size
        self._into = canonical_name(into.strip(SEPARATOR))
        self._progress = progress

    @property
    def account(self) -> str:
        """The account's name."""
        return self._account.name

    def open_journal(self, path: str) -> Journal:
        """The journal at `path`, with a batch that a crash left open settled.  Raises NmsdError."""
        return Journal(path, self._is_there)

    def _is_there(self, intent: Intent) -> bool:
        """Whether the batch was appended before the crash: all of it was, or nothing."""
        try:
            mailbox = self._account.mailbox(intent.mailbox)
        except NoSuchMailbox:
            return False
        if mailbox.uidvalidity != intent.uidvalidity:
            return False
        later = self._account.uids(mailbox.id).between(intent.uidnext, mailbox.uidnext)
        there = [row for rows in self._account.fetch(mailbox.id, later, (Field.SIZE,)) for row in rows]
        return is_run(intent.sizes, [(int(uid), int(size)) for uid, size in there])

    def target(self, name: str) -> str:
        """The mailbox that a folder of this name becomes."""
        if not self._into:
            return name
        return self._into if name == INBOX else self._into + SEPARATOR + name

    def run(self, folder: Folder, journal: Journal, subscribe: bool = True) -> None:
        """Imports a folder; with `subscribe`, a mailbox that is made for it is subscribed.

        What cannot be imported is noted in the summary.  Raises StoreError when nothing more can be (disk full).
        """
        try:
            mailbox = self._mailbox(self.target(folder.name), subscribe)
        except (InvalidName, LimitReached) as error:
            self.summary.refused.append(Refused(folder.path, f"mailbox {self.target(folder.name)}: {error}"))
            self._progress(folder.count)
            return
        self.summary.mailboxes.setdefault(mailbox.name, 0)
        batch = _Batch()
        try:
            for found in folder.messages():
                self._take(found, folder, mailbox, journal, batch)
        except OSError as error:
            self.summary.refused.append(Refused(folder.path, error.strerror or str(error)))
        self._flush(mailbox, journal, folder, batch)

    def _take(self, found: Found | Refused, folder: Folder, mailbox: Mailbox, journal: Journal, batch: _Batch) -> None:
        if isinstance(found, Refused):
            self._refuse(found)
        elif journal.has(_key(folder, found)):
            self.summary.known += 1
            self._progress(1)
        else:
            message = self._read(found)
            if isinstance(message, Refused):
                self._refuse(message)
                return
            batch.add(found, message)
            if batch.is_full():
                self._flush(mailbox, journal, folder, batch)

    def _refuse(self, refused: Refused) -> None:
        self.summary.refused.append(refused)
        self._progress(1)

    def _read(self, found: Found) -> NewMessage | Refused:
        if found.size > self._max_size:
            return Refused(found.origin, f"{found.size} bytes, more than store.maxmessagesize allows")
        try:
            data = found.read()
        except OSError as error:
            return Refused(found.origin, error.strerror or str(error))
        if not data.strip():
            return Refused(found.origin, "an empty message")
        if len(data) > self._max_size:
            return Refused(found.origin, f"{len(data)} bytes, more than store.maxmessagesize allows")
        return NewMessage(data, found.internal_date, found.system_flags, found.keywords)

    def _mailbox(self, name: str, subscribe: bool) -> Mailbox:
        try:
            return self._account.mailbox(name)
        except NoSuchMailbox:
            pass
        try:
            self._account.create(name)
            if subscribe:
                self._account.subscribe(name, True)
        except MailboxExists:
            pass
        return self._account.mailbox(name)

    def _flush(self, mailbox: Mailbox, journal: Journal, folder: Folder, batch: _Batch) -> None:
        """Appends the batch; where it cannot be as a whole, one message at a time."""
        found, messages = batch.found, batch.messages
        batch.found, batch.messages, batch.size = [], [], 0
        if not messages:
            return
        try:
            self._append(mailbox, journal, folder, found, messages)
            return
        except (LimitReached, OverQuota, TooBig, InvalidName):
            if len(messages) > 1:
                for one, message in zip(found, messages):
                    self._append_one(mailbox, journal, folder, one, message)
                return
        self._append_one(mailbox, journal, folder, found[0], messages[0])

    def _append_one(
        self, mailbox: Mailbox, journal: Journal, folder: Folder, found: Found, message: NewMessage
    ) -> None:
        try:
            self._append(mailbox, journal, folder, [found], [message])
        except (LimitReached, InvalidName) as error:
            if not message.keywords:
                self._refuse(Refused(found.origin, str(error)))
                return
            plain = NewMessage(message.data, message.internal_date, message.system_flags)
            self._append(mailbox, journal, folder, [found], [plain])
            words = " ".join(message.keywords)
            self.summary.notes.append(f"{found.origin}: without its keywords {words}: {error}")
        except (OverQuota, TooBig) as error:
            self._refuse(Refused(found.origin, str(error)))

    def _append(
        self, mailbox: Mailbox, journal: Journal, folder: Folder, found: list[Found], messages: list[NewMessage]
    ) -> None:
        now = self._account.mailbox_by_id(mailbox.id)
        sizes = tuple(len(message.data) for message in messages)
        intent = Intent(mailbox.name, now.uidvalidity, now.uidnext, sizes, tuple(_key(folder, one) for one in found))
        journal.begin(intent)
        try:
            self._account.append(mailbox.id, messages)
        except StoreError:
            journal.give_up()
            raise
        journal.commit(intent)
        self.summary.imported += len(messages)
        self.summary.size += sum(sizes)
        self.summary.mailboxes[mailbox.name] += len(messages)
        self._progress(len(messages))

    def subscribe(self, names: Iterable[str]) -> None:
        """Subscribes the mailboxes that the source's own list names, where they exist."""
        there = {mailbox.name for mailbox in self._account.mailboxes()}
        for name in names:
            target = self.target(canonical_name(name))
            if target in there:
                self._account.subscribe(target, True)


def _key(folder: Folder, found: Found) -> str:
    """A message's key in the journal; a folder may be read from another place next time, so its name counts."""
    return f"{folder.name}\0{os.path.basename(folder.path)}\0{found.key}"
