"""A session's view of the mailbox it has selected: the UIDs it has told the client, and what it is up to.

Invariants: sequence numbers are positions in `uids`, and change only when the client is told (EXPUNGE, VANISHED,
EXISTS).  A message that the store has expunged stays in `uids`, and in `pending`, until the client may hear of it.  No
flags are kept.  What QRESYNC and a later UIDONLY need from a view is in how `imap.sync` tells it, not here.
"""

from __future__ import annotations

from nmsd.model.mailbox import Mailbox
from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax
from nmsd.wire.numberset import parse_number_set


class View:
    """The selected mailbox, as this client knows it.  `modseq` is what `Account.changes` was last read up to; `stamp`
    the change bus's number before that reading.  `recent` holds the UIDs that are \\Recent here.  `settled` is the
    modseq up to which the client has been told everything, expunges included; `modseq_told`: it has heard HIGHESTMODSEQ
    since it knows of modseqs."""

    __slots__ = (
        "arrived",
        "keywords",
        "mailbox_id",
        "modseq",
        "modseq_told",
        "name",
        "pending",
        "read_only",
        "recent",
        "settled",
        "stamp",
        "uidnext",
        "uids",
        "uidvalidity",
    )

    def __init__(self, mailbox: Mailbox, uids: UidSet, read_only: bool, stamp: int) -> None:
        self.mailbox_id: int = mailbox.id
        self.name: str = mailbox.name
        self.uidvalidity: int = mailbox.uidvalidity
        self.read_only: bool = read_only
        self.uids: UidSet = uids
        self.uidnext: int = mailbox.uidnext
        self.modseq: int = mailbox.modseq
        self.settled: int = mailbox.modseq
        self.modseq_told: bool = False
        self.keywords: tuple[str, ...] = mailbox.keywords
        self.recent: UidSet = uids.between(mailbox.recent_uid, mailbox.uidnext)
        self.arrived: bool = False
        self.pending: UidSet = UidSet()
        self.stamp: int = stamp

    def seq(self, uid: int) -> int:
        """The sequence number of `uid`, 0 if the client has not been told of it."""
        return self.uids.index(uid)

    def seqs(self, uids: UidSet) -> UidSet:
        """The sequence numbers of `uids`, all of them members of this view."""
        return self.uids.positions(uids)

    def select(self, text: bytes, by_uid: bool) -> UidSet:
        """The UIDs that a sequence set names in this view.  Raises BadSyntax for a sequence number that is no
        message (RFC 9051 §9); UIDs that do not exist are left out without a word (§6.4.9)."""
        if by_uid:
            return parse_number_set(text, self.uids.high) & self.uids
        size = len(self.uids)
        numbers = parse_number_set(text, size)
        if numbers.high > size or (not numbers and b"*" in text):
            raise BadSyntax("No such message")
        if len(numbers) == size:
            return self.uids
        chosen: list[tuple[int, int]] = []
        for low, high in numbers.ranges():
            chosen.extend(self.uids.slice(low, high).ranges())
        return UidSet(chosen)

    def add(self, uids: UidSet, uidnext: int) -> None:
        """New messages, which the client is about to be told of."""
        self.uids = self.uids | uids
        self.recent = self.recent | uids
        self.uidnext = uidnext
        self.arrived = True

    def remove(self, uids: UidSet) -> None:
        """Expunged messages, which the client is about to be told of."""
        self.uids = self.uids - uids
        self.pending = self.pending - uids
        self.recent = self.recent - uids
