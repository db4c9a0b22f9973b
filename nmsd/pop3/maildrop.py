"""The maildrop: INBOX as it was at login, numbered, with what the client has marked (RFC 1939 §5)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final

from nmsd.model.flags import SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange

_PIECE_BYTES: Final = 1 << 16


class Gone(Exception):
    """The message was expunged by somebody else while the session went on."""


class Maildrop:
    """An exclusive hold of an account's INBOX.

    Messages have the numbers of their order at login, and keep them.  Nothing is changed before `commit`; nor then,
    where it is `read_only`.
    """

    def __init__(self, account: Account, lock: AbstractContextManager[None], read_only: bool) -> None:
        """Takes a lock that has been entered already; `open_maildrop` is the way in."""
        self.read_only = read_only
        self._account = account
        self._lock: AbstractContextManager[None] | None = lock
        mailbox, uids, _ = account.snapshot(account.mailbox(INBOX).id)
        self._mailbox_id = mailbox.id
        self._uidvalidity = mailbox.uidvalidity
        self._uids: list[int] = []
        self._sizes: list[int] = []
        for rows in account.fetch(mailbox.id, uids, (Field.SIZE,)):
            for uid, size in rows:
                self._uids.append(uid)
                self._sizes.append(size)
        self._deleted: set[int] = set()
        self._retrieved: set[int] = set()
        self._size = sum(self._sizes)

    def totals(self) -> tuple[int, int]:
        """(messages, bytes) not marked as deleted."""
        return len(self._uids) - len(self._deleted), self._size

    def numbers(self) -> list[int]:
        """The numbers of the messages not marked as deleted, ascending."""
        return [number for number in range(1, len(self._uids) + 1) if number not in self._deleted]

    def has(self, number: int) -> bool:
        """Whether there is such a message, not marked as deleted."""
        return 1 <= number <= len(self._uids) and number not in self._deleted

    def is_deleted(self, number: int) -> bool:
        """Whether the message is marked as deleted."""
        return number in self._deleted

    def size(self, number: int) -> int:
        """A message's size in bytes, as it is sent before any byte-stuffing."""
        return self._sizes[number - 1]

    def unique_id(self, number: int) -> bytes:
        """A message's unique-id: UIDVALIDITY and UID, so it holds as long as they do, over sessions and for ever."""
        return b"%d.%d" % (self._uidvalidity, self._uids[number - 1])

    def delete(self, number: int) -> None:
        """Marks a message as deleted."""
        self._deleted.add(number)
        self._size -= self._sizes[number - 1]

    def reset(self) -> None:
        """Takes all marks off."""
        self._deleted.clear()
        self._size = sum(self._sizes)

    def header(self, number: int) -> bytes:
        """A message's header with the empty line that ends it.  Raises Gone."""
        for rows in self._account.fetch(self._mailbox_id, UidSet.of((self._uids[number - 1],)), (Field.HEADER,)):
            for _, header in rows:
                return bytes(header)
        raise Gone

    def read(self, number: int, offset: int) -> bytes:
        """The next piece of a message; b'' at its end.  Raises Gone."""
        if offset >= self._sizes[number - 1]:
            return b""
        piece = self._account.read(self._mailbox_id, self._uids[number - 1], offset, _PIECE_BYTES)
        if not piece:
            raise Gone
        return piece

    def note_retrieved(self, number: int) -> None:
        """The client has got all of this message."""
        self._retrieved.add(number)

    def commit(self, mark_seen: bool) -> int:
        """Removes what is marked as deleted, and with `mark_seen` flags what was retrieved; the number removed."""
        if self.read_only:
            return 0
        kept = self._retrieved - self._deleted
        if mark_seen and kept:
            self._account.store_flags(self._mailbox_id, self._uid_set(kept), FlagChange.ADD, SEEN)
        if not self._deleted:
            return 0
        self._account.expunge(self._mailbox_id, self._uid_set(self._deleted), only_deleted=False)
        return len(self._deleted)

    def _uid_set(self, numbers: set[int]) -> UidSet:
        return UidSet.of(self._uids[number - 1] for number in numbers)

    def release(self) -> None:
        """Lets the maildrop go; may be called twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.__exit__(None, None, None)


def open_maildrop(account: Account, read_only: bool = False) -> Maildrop:
    """Locks and reads the account's INBOX, making the account if need be; one to be read only is not locked.  Raises
    MaildropInUse, StoreError."""
    account.ensure()
    lock: AbstractContextManager[None] = nullcontext() if read_only else account.lock_maildrop()
    lock.__enter__()
    try:
        return Maildrop(account, lock, read_only)
    except BaseException:
        lock.__exit__(None, None, None)
        raise
