"""Writing messages: append, flags, expunge, copy, move.  Each function is one operation of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from nmsd.model.changes import Appended, Copied, Expunged, Stored
from nmsd.model.errors import LimitReached, NoSuchMailbox, OverQuota
from nmsd.model.flags import DELETED, KEYWORD_SHIFT, MAX_KEYWORDS, SEEN, SYSTEM_MASK, keyword_bit
from nmsd.model.message import Quota
from nmsd.model.uidset import UidSet
from nmsd.store.api import FlagChange
from nmsd.store.sqlite import bodies
from nmsd.store.sqlite.dates import clamp
from nmsd.store.sqlite.ranges import conditions
from nmsd.store.sqlite.redo import Redo, RedoMessage
from nmsd.store.sqlite.rows import MailboxCounters
from nmsd.store.sqlite.transaction import Transaction

_INSERT: Final = (
    "INSERT INTO message (mailbox_id, uid, modseq, flags, size, epoch, zone, date, save_epoch, body_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_EXPUNGED: Final = "INSERT INTO expunged (mailbox_id, modseq, low, high) VALUES (?, ?, ?, ?)"


def append(transaction: Transaction, mailbox_id: int, messages: Sequence[bodies.Prepared], quota: Quota) -> Appended:
    """Adds all the messages or none.  Raises NoSuchMailbox, OverQuota, LimitReached."""
    mailbox = transaction.mailbox(mailbox_id)
    if not messages:
        return Appended(mailbox.uidvalidity, [], mailbox.modseq)
    _check_quota(transaction, quota, len(messages), sum(prepared.size for prepared in messages))
    new = [(uid, bodies.new_email_id(), prepared) for uid, prepared in enumerate(messages, mailbox.uidnext)]
    modseq = transaction.stamp(mailbox)
    _insert(transaction, mailbox, modseq, new, transaction.now)
    if transaction.redo is not None:
        told = [RedoMessage(uid, email_id, prepared.message) for uid, email_id, prepared in new]
        transaction.redo.append(Redo(mailbox_id, mailbox.uidvalidity, modseq, transaction.now, told))
    return Appended(mailbox.uidvalidity, [uid for uid, _, _ in new], modseq)


def append_again(transaction: Transaction, known: int, redo: Redo, messages: Sequence[bodies.Prepared]) -> int:
    """Does an append anew that a power failure took back; gives how many of its messages it was true of.  `known` is
    the modseq the account was found with: an append that has no later one had been undone, and is a new change now."""
    try:
        mailbox = transaction.mailbox(redo.mailbox_id)
    except NoSuchMailbox:
        return 0  # deleted since, and with it the message
    if mailbox.uidvalidity != redo.uidvalidity:
        return 0
    lost = [
        (told.uid, told.email_id, prepared)
        for told, prepared in zip(redo.messages, messages)
        if told.uid >= mailbox.uidnext
    ]
    if lost:
        modseq = transaction.stamp(mailbox, redo.modseq if redo.modseq > known else 0)
        _insert(transaction, mailbox, modseq, lost, redo.saved)
    return len(lost)


def _insert(
    transaction: Transaction,
    mailbox: MailboxCounters,
    modseq: int,
    new: Sequence[tuple[int, str, bodies.Prepared]],
    saved: int,
) -> None:
    """Stores messages under the UIDs and EMAILIDs given.  Raises LimitReached."""
    flags = [
        prepared.message.system_flags & SYSTEM_MASK | _keyword_bits(mailbox, prepared.message.keywords)
        for _, _, prepared in new
    ]
    rows: list[tuple[Any, ...]] = []
    for (uid, email_id, prepared), bits in zip(new, flags):
        transaction.account.last_body += 1
        body_id = transaction.account.last_body
        bodies.insert(transaction.connection, body_id, prepared, email_id)
        instant = clamp(prepared.message.internal_date)
        rows.append(
            (
                mailbox.id,
                uid,
                modseq,
                bits,
                prepared.size,
                instant.epoch,
                instant.zone,
                prepared.date,
                saved,
                body_id,
            )
        )
        mailbox.uidnext = uid + 1
        _count(transaction, mailbox, bits, prepared.size, 1)
    transaction.connection.executemany(_INSERT, rows)


def store_flags(
    transaction: Transaction,
    mailbox_id: int,
    uids: UidSet,
    change: FlagChange,
    system_flags: int,
    keywords: tuple[str, ...],
    unchanged_since: int | None,
) -> Stored:
    """Changes flags.  Raises NoSuchMailbox, LimitReached."""
    mailbox = transaction.mailbox(mailbox_id)
    previous = mailbox.modseq
    asked = list(_select(transaction, mailbox_id, uids, "uid, flags, modseq"))
    allowed = asked
    held_back: list[int] = []
    if unchanged_since == 0 and change is FlagChange.ADD and keywords and not system_flags:
        there = sum({keyword_bit(keyword, mailbox.keywords) for keyword in keywords})
        allowed = [row for row in asked if not row[1] & there]
        held_back = [row[0] for row in asked if row[1] & there]
    elif unchanged_since is not None:
        allowed = [row for row in asked if row[2] <= unchanged_since]
        held_back = [row[0] for row in asked if row[2] > unchanged_since]
    if allowed and change is not FlagChange.REMOVE:
        bits = _keyword_bits(mailbox, keywords)
    else:
        bits = sum({keyword_bit(keyword, mailbox.keywords) for keyword in keywords})
    bits |= system_flags & SYSTEM_MASK
    if change is FlagChange.ADD:
        answer = [(row[0], row[1] | bits) for row in allowed]
    elif change is FlagChange.REMOVE:
        answer = [(row[0], row[1] & ~bits) for row in allowed]
    else:
        answer = [(row[0], bits) for row in allowed]
    differing = [(row, new) for row, (_, new) in zip(allowed, answer) if row[1] != new]
    modseq = 0
    if differing:
        modseq = transaction.stamp(mailbox)
        mailbox.unseen -= sum([(new & SEEN) - (row[1] & SEEN) for row, new in differing])
        mailbox.deleted += sum([(new & DELETED) - (row[1] & DELETED) for row, new in differing]) // DELETED
        _write_flags(transaction, mailbox_id, change, bits, modseq, [row[0] for row, _ in differing])
    kept: dict[int, int] | None = None
    if len(differing) < len(allowed):
        kept = {row[0]: row[2] for row, (_, new) in zip(allowed, answer) if row[1] == new}
    return Stored(modseq, answer, UidSet.of_sorted(held_back), mailbox.keywords, kept, previous)


def _write_flags(
    transaction: Transaction, mailbox_id: int, change: FlagChange, bits: int, modseq: int, uids: Sequence[int]
) -> None:
    new = {FlagChange.ADD: "flags | ?", FlagChange.REMOVE: "flags & ~?", FlagChange.REPLACE: "?"}[change]
    for condition, values in conditions(UidSet.of_sorted(uids).ranges()):
        transaction.connection.execute(
            f"UPDATE message SET flags = {new}, modseq = ? WHERE mailbox_id = ? AND {condition}",
            (bits, modseq, mailbox_id, *values),
        )


def expunge(transaction: Transaction, mailbox_id: int, uids: UidSet, only_deleted: bool) -> Expunged:
    """Removes messages, those without \\Deleted too if told so.  Raises NoSuchMailbox."""
    mailbox = transaction.mailbox(mailbox_id)
    if only_deleted and not mailbox.deleted:
        return Expunged(UidSet(), mailbox.modseq)
    extra = f" AND flags & {DELETED}" if only_deleted else ""
    rows = list(_select(transaction, mailbox_id, uids, "uid, flags, size, body_id", extra))
    if not rows:
        return Expunged(UidSet(), mailbox.modseq)
    modseq = transaction.stamp(mailbox)
    gone = UidSet.of_sorted([row[0] for row in rows])
    _remove(transaction, mailbox, gone, modseq)
    for _, flags, size, _ in rows:
        _count(transaction, mailbox, flags, size, -1)
    bodies.release(transaction.connection, [row[3] for row in rows])
    return Expunged(gone, modseq)


def copy(transaction: Transaction, mailbox_id: int, uids: UidSet, target_id: int, quota: Quota) -> Copied:
    """Copies all or none.  Raises NoSuchMailbox, OverQuota, LimitReached (keywords)."""
    source = transaction.mailbox(mailbox_id)
    target = transaction.mailbox(target_id)
    rows = list(_select(transaction, mailbox_id, uids, _COPIED))
    if not rows:
        return Copied(target.uidvalidity, [])
    _check_quota(transaction, quota, len(rows), sum(row[2] for row in rows))
    translate = _keyword_translation(source, target, rows)
    modseq = transaction.stamp(target)
    pairs = _insert_copies(transaction, target, rows, translate, modseq)
    bodies.share(transaction.connection, (row[6] for row in rows))
    return Copied(target.uidvalidity, pairs)


def move(transaction: Transaction, mailbox_id: int, uids: UidSet, target_id: int) -> Copied:
    """Moves messages; the bodies and all counts of the account stay as they are.  Raises NoSuchMailbox,
    LimitReached (keywords)."""
    source = transaction.mailbox(mailbox_id)
    target = transaction.mailbox(target_id)
    rows = list(_select(transaction, mailbox_id, uids, _COPIED))
    if not rows:
        return Copied(target.uidvalidity, [])
    translate = _keyword_translation(source, target, rows)
    modseq = transaction.stamp(target)
    transaction.stamp(source)
    _remove(transaction, source, UidSet.of_sorted([row[0] for row in rows]), modseq)
    for row in rows:
        _count(transaction, source, row[1], row[2], -1)
    return Copied(target.uidvalidity, _insert_copies(transaction, target, rows, translate, modseq), modseq)


_COPIED: Final = "uid, flags, size, epoch, zone, date, body_id"


def _insert_copies(
    transaction: Transaction,
    target: MailboxCounters,
    rows: Sequence[tuple[Any, ...]],
    translate: Callable[[int], int],
    modseq: int,
) -> list[tuple[int, int]]:
    first = target.uidnext
    copies: list[tuple[Any, ...]] = []
    for uid, (_, flags, size, epoch, zone, date, body_id) in enumerate(rows, first):
        bits = translate(flags)
        copies.append((target.id, uid, modseq, bits, size, epoch, zone, date, transaction.now, body_id))
        _count(transaction, target, bits, size, 1)
    target.uidnext += len(rows)
    transaction.connection.executemany(_INSERT, copies)
    return [(row[0], uid) for uid, row in enumerate(rows, first)]


def _select(
    transaction: Transaction, mailbox_id: int, uids: UidSet, columns: str, extra: str = ""
) -> Iterator[tuple[Any, ...]]:
    for condition, values in conditions(uids.ranges()):
        yield from transaction.connection.execute(
            f"SELECT {columns} FROM message WHERE mailbox_id = ? AND {condition}{extra} ORDER BY uid",
            (mailbox_id, *values),
        ).fetchall()


def _count(transaction: Transaction, mailbox: MailboxCounters, flags: int, size: int, sign: int) -> None:
    mailbox.messages += sign
    mailbox.size += sign * size
    if not flags & SEEN:
        mailbox.unseen += sign
    if flags & DELETED:
        mailbox.deleted += sign
    transaction.account.messages += sign
    transaction.account.size += sign * size


def _check_quota(transaction: Transaction, quota: Quota, messages: int, size: int) -> None:
    account = transaction.account
    if quota.messages is not None and account.messages + messages > quota.messages:
        raise OverQuota(f"The quota of {quota.messages} messages has no room for this")
    if quota.size is not None and account.size + size > quota.size:
        raise OverQuota(f"The quota of {quota.size} bytes has no room for this")


def _keyword_bits(mailbox: MailboxCounters, keywords: Iterable[str]) -> int:
    """The bits of keywords, which are added to the mailbox's table where it lacks them.  Raises LimitReached."""
    bits = 0
    for keyword in keywords:
        bit = keyword_bit(keyword, mailbox.keywords)
        if not bit:
            if len(mailbox.keywords) >= MAX_KEYWORDS:
                raise LimitReached(f"A mailbox may know {MAX_KEYWORDS} keywords at most")
            mailbox.keywords += (keyword,)
            bit = 1 << (KEYWORD_SHIFT + len(mailbox.keywords) - 1)
        bits |= bit
    return bits


def _keyword_translation(
    source: MailboxCounters, target: MailboxCounters, rows: Sequence[tuple[Any, ...]]
) -> Callable[[int], int]:
    """What makes flags of one mailbox flags of another, whose table gets what it lacks.  Raises LimitReached."""
    used = 0
    for row in rows:
        used |= row[1]
    bits = {
        1 << (KEYWORD_SHIFT + index): _keyword_bits(target, (keyword,))
        for index, keyword in enumerate(source.keywords)
        if used >> (KEYWORD_SHIFT + index) & 1
    }
    if all(here == there for here, there in bits.items()):
        return lambda flags: flags

    def translate(flags: int) -> int:
        new = flags & SYSTEM_MASK
        for here, there in bits.items():
            if flags & here:
                new |= there
        return new

    return translate


def _remove(transaction: Transaction, mailbox: MailboxCounters, gone: UidSet, modseq: int) -> None:
    """Deletes rows of messages and logs it."""
    connection = transaction.connection
    for condition, values in conditions(gone.ranges()):
        connection.execute(f"DELETE FROM message WHERE mailbox_id = ? AND {condition}", (mailbox.id, *values))
    ranges = gone.ranges()
    connection.executemany(_INSERT_EXPUNGED, [(mailbox.id, modseq, low, high) for low, high in ranges])
    mailbox.expunge_modseq = modseq
    mailbox.log_entries += len(ranges)
    _forget_expunges(transaction, mailbox)


def _forget_expunges(transaction: Transaction, mailbox: MailboxCounters) -> None:
    """Moves the horizon once the log is a quarter too long, so that it is not done at every expunge."""
    most = transaction.limits.expunged_horizon
    if mailbox.log_entries <= most + most // 4:
        return
    connection = transaction.connection
    row = connection.execute(
        "SELECT modseq FROM expunged WHERE mailbox_id = ? ORDER BY modseq DESC LIMIT 1 OFFSET ?", (mailbox.id, most)
    ).fetchone()
    mailbox.horizon = row[0]
    forgotten = connection.execute(
        "DELETE FROM expunged WHERE mailbox_id = ? AND modseq <= ?", (mailbox.id, mailbox.horizon)
    ).rowcount
    mailbox.log_entries -= forgotten
