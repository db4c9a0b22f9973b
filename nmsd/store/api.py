"""The store's contract: accounts, mailboxes, messages, changes.  No SQL, no files, no IMAP syntax.

Invariants, in any engine (design §5):

1. What a write returns is on disk: an acknowledged message survives power loss; an unacknowledged one is there whole
   or not at all.
2. UIDs strictly ascend within a UIDVALIDITY and are never reused; modseqs strictly ascend per account, one for each
   write that changes anything; every change can be read back by `changes`.
3. A body is immutable and stored once; copy and move inside an account are index operations.
4. Counters change in the same transaction as what they count.
5. Any process may open any account at any time.
6. `check` verifies all of this on a live account.

Methods raise model.errors; any of them may raise StoreUnavailable, any write StoreFull.  A write runs in a native
thread by the Runtime given to the engine; a read runs where it is called and is short, or yields slices.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from nmsd.model.changes import Appended, Changes, Copied, Expunged, Stored
from nmsd.model.mailbox import DEFAULT_MAILBOXES, Mailbox
from nmsd.model.message import NO_QUOTA, Field, NewMessage, Quota, Usage
from nmsd.model.search import Key
from nmsd.model.uidset import UidSet

T = TypeVar("T")


class Signal(Protocol):
    """Something to wait for, once; threading.Event and gevent's Event both are one."""

    def set(self) -> None: ...

    def wait(self) -> Any: ...


class Runtime(Protocol):
    """How an engine blocks without blocking its neighbours; the worker gives a gevent one, tools a plain one."""

    def offload(self, work: Callable[[], T]) -> T:
        """Runs `work` in a native thread (or at once, where nobody else waits) and returns what it returns."""

    def finish(self, work: Callable[[], T]) -> T:
        """Like `offload`, for work that waits for nobody and for which others wait: it is not kept behind work that
        was offloaded."""

    def signal(self) -> Signal:
        """A new Signal that suits the caller's kind of thread."""


class Announce(Protocol):
    """Called after each commit, before the writer is told: (account, mailbox id, modseq)."""

    def __call__(self, account: str, mailbox_id: int, modseq: int) -> None: ...


class FlagChange(Enum):
    """How STORE changes flags."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True)
class Finding:
    """One thing `check` found: where, what, and whether it was mended."""

    account: str
    mailbox: str
    text: str
    repaired: bool = False


class Account(Protocol):
    """One user's mailboxes.  A cheap handle: holding it opens nothing."""

    name: str

    def exists(self) -> bool:
        """Whether anything was ever stored for it."""

    def ensure(self, mailboxes: Sequence[tuple[str, str]] = DEFAULT_MAILBOXES, partition: str = "") -> None:
        """Makes the account with INBOX and these (name, special use) mailboxes, subscribed, if it is not there yet: in
        the partition of this nickname, '' for the default one.  Raises UnknownPartition."""

    def partition(self) -> str:
        """The nickname of the partition the account is in."""

    # Mailboxes

    def mailboxes(self) -> list[Mailbox]:
        """All mailboxes, by name.  Levels that exist only above others are not listed."""

    def mailbox(self, name: str) -> Mailbox:
        """The mailbox of this canonical name.  Raises NoSuchMailbox."""

    def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        """The mailbox with this id.  Raises NoSuchMailbox once it is deleted."""

    def create(self, name: str, special_use: tuple[str, ...] = ()) -> Mailbox:
        """Creates a mailbox and the superiors it lacks.  Raises MailboxExists, InvalidName, LimitReached."""

    def delete(self, name: str) -> None:
        """Deletes a mailbox with its messages; inferiors stay.  Raises NoSuchMailbox, MailboxHasChildren (a level that
        is no mailbox itself), CannotDo (INBOX)."""

    def rename(self, old: str, new: str) -> None:
        """Renames a mailbox and its inferiors, makes superiors; of INBOX: moves its messages to the new mailbox and
        leaves its inferiors (RFC 3501 §6.3.5).  Subscriptions stay as they are.  Raises NoSuchMailbox, MailboxExists,
        InvalidName, CannotDo."""

    def set_special_use(self, name: str, special_use: tuple[str, ...]) -> None:
        """Replaces a mailbox's special uses.  Raises NoSuchMailbox."""

    def subscriptions(self) -> list[str]:
        """Subscribed names, sorted; they need not exist (RFC 3501 §6.3.6)."""

    def subscribe(self, name: str, subscribed: bool) -> None:
        """Adds or removes a name; either may be done twice."""

    def usage(self) -> Usage:
        """What the account holds, from counters."""

    # Reading

    def uids(self, mailbox_id: int) -> UidSet:
        """All UIDs in the mailbox."""

    def snapshot(self, mailbox_id: int) -> tuple[Mailbox, UidSet, int]:
        """The mailbox, its UIDs and its lowest unseen UID (0: none), all as of one moment."""

    def fetch(self, mailbox_id: int, uids: UidSet, fields: Sequence[Field]) -> Iterator[list[tuple[Any, ...]]]:
        """Slices of rows (uid, *fields in the order asked), ascending by UID; UIDs that are gone are left out.

        Each slice is read in one short step and holds at most some hundred rows or about a megabyte of content; between
        slices the caller may do other things, and nothing is held open.
        """

    def read(self, mailbox_id: int, uid: int, offset: int, length: int) -> bytes:
        """`length` bytes of the message from `offset` (header included), fewer at its end; b'' if it is gone."""

    def changes(self, mailbox_id: int, since: int) -> Changes:
        """All that changed after modseq `since`.  Raises NoSuchMailbox."""

    def search(self, mailbox_id: int, key: Key, within: UidSet) -> Iterator[list[int]]:
        """Slices of matching UIDs out of `within`, ascending; a slice may be empty (it only gives others a turn)."""

    # Writing

    def append(self, mailbox_id: int, messages: Sequence[NewMessage], quota: Quota = NO_QUOTA) -> Appended:
        """Adds all the messages or none (RFC 3502).  Raises NoSuchMailbox, OverQuota, LimitReached (keywords)."""

    def store_flags(
        self,
        mailbox_id: int,
        uids: UidSet,
        change: FlagChange,
        system_flags: int,
        keywords: tuple[str, ...] = (),
        unchanged_since: int | None = None,
    ) -> Stored:
        """Changes flags.  Keywords the mailbox has not seen are added to its table (for ADD and REPLACE).

        Messages with a modseq above `unchanged_since` are left as they are; 0 asks whether what is changed is there at
        all, so that keywords alone are added to those that have none of them (RFC 7162 §3.1.3).  Raises NoSuchMailbox,
        LimitReached."""

    def expunge(self, mailbox_id: int, uids: UidSet, only_deleted: bool = True) -> Expunged:
        """Removes those of `uids` that carry \\Deleted (all of them, without `only_deleted`)."""

    def copy(self, mailbox_id: int, uids: UidSet, target_id: int, quota: Quota = NO_QUOTA) -> Copied:
        """Copies all or none, with flags, keywords and internal dates.  Raises NoSuchMailbox, OverQuota."""

    def move(self, mailbox_id: int, uids: UidSet, target_id: int) -> Copied:
        """Moves, in one commit.  Raises NoSuchMailbox."""

    def claim_recent(self, mailbox_id: int, uidnext: int) -> int:
        """Says that messages below `uidnext` have been told of as \\Recent; returns the recent_uid before.  Writes
        nothing, and makes no modseq, when there is nothing new."""

    def lock_maildrop(self) -> AbstractContextManager[None]:
        """Holds the POP3 lock of the account until left; works across processes and dies with its holder.  Raises
        MaildropInUse at once."""


class Store(Protocol):
    """An engine."""

    def account(self, name: str) -> Account:
        """The handle of an account, existing or not; the same object for the same name while it is in use."""

    def accounts(self) -> Iterator[str]:
        """The names of all stored accounts, sorted."""

    def remove_account(self, name: str) -> None:
        """Erases an account.  Raises NoSuchAccount."""

    def partitions(self) -> Sequence[str]:
        """The nicknames of the store's partitions; one at least."""

    def move_account(self, name: str, partition: str) -> None:
        """Moves an account to another partition, while it may be in use.  Raises NoSuchAccount, UnknownPartition."""

    def check(self, name: str, repair: bool = False) -> Iterator[Finding]:
        """Verifies every invariant on one live account, body checksums included; yields what it finds."""

    def idle(self) -> None:
        """Called now and then: closes what was not used lately, lets the engine tidy up."""

    def close(self) -> None:
        """Closes everything."""
