"""Repairs.  Each is an operation of a transaction that makes one kind of thing right, whatever it was before."""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap

from nmsd.mime.digest import digest as mime_digest
from nmsd.model.flags import KEYWORD_SHIFT
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Digest
from nmsd.model.uidset import UidSet
from nmsd.store.sqlite import bodies, mailboxes
from nmsd.store.sqlite.transaction import Transaction


def recount_mailbox(transaction: Transaction, mailbox_id: int) -> None:
    """Counts a mailbox anew; numbers that were given stay given.

    The log of expunges is forgotten: it may be wrong too, and without it every answer is right, if longer.
    """
    mailbox = transaction.mailbox(mailbox_id)
    account = transaction.account
    connection = transaction.connection
    mailbox.messages, mailbox.unseen, mailbox.deleted, mailbox.size, highest_uid, highest_modseq = connection.execute(
        "SELECT count(*), ifnull(sum(flags & 1 = 0), 0), ifnull(sum(flags & 8 != 0), 0), ifnull(sum(size), 0),"
        " ifnull(max(uid), 0), ifnull(max(modseq), 0) FROM message WHERE mailbox_id = ?",
        (mailbox_id,),
    ).fetchone()
    log_modseq, log_uid = connection.execute(
        "SELECT ifnull(max(modseq), 0), ifnull(max(high), 0) FROM expunged WHERE mailbox_id = ?", (mailbox_id,)
    ).fetchone()
    connection.execute("DELETE FROM expunged WHERE mailbox_id = ?", (mailbox_id,))
    mailbox.uidnext = max(mailbox.uidnext, highest_uid + 1, log_uid + 1, 1)
    mailbox.recent_uid = max(1, min(mailbox.recent_uid, mailbox.uidnext))
    account.modseq = max(account.modseq, mailbox.modseq, highest_modseq, log_modseq)
    mailbox.log_entries = 0
    mailbox.horizon = mailbox.expunge_modseq = transaction.stamp(mailbox)
    recount_account(transaction)


def recount_account(transaction: Transaction) -> None:
    """Counts the account anew."""
    account = transaction.account
    account.size, account.messages = transaction.connection.execute(
        "SELECT ifnull(sum(size), 0), count(*) FROM message"
    ).fetchone()
    transaction.touch(0)


def raise_numbers(transaction: Transaction) -> None:
    """Has the account give no number a second time."""
    account = transaction.account
    modseq, uidvalidity, last_mailbox, last_body = transaction.connection.execute(
        "SELECT ifnull(max(modseq), 0), ifnull(max(uidvalidity), 0), ifnull(max(id), 0),"
        " (SELECT ifnull(max(body_id), 0) FROM content) FROM mailbox"
    ).fetchone()
    account.modseq = max(account.modseq, modseq)
    account.uidvalidity = max(account.uidvalidity, uidvalidity)
    account.last_mailbox = max(account.last_mailbox, last_mailbox)
    account.last_body = max(account.last_body, last_body)
    transaction.touch(0)


def make_inbox(transaction: Transaction) -> None:
    """Makes INBOX, if it is not there."""
    if transaction.connection.execute("SELECT 1 FROM mailbox WHERE name = ?", (INBOX,)).fetchone() is None:
        raise_numbers(transaction)
        mailboxes.create(transaction, INBOX, ())


def unsubscribe(transaction: Transaction, name: str) -> None:
    """Drops a subscription."""
    mailboxes.subscribe(transaction, name, False)


def drop_strays(transaction: Transaction) -> None:
    """Deletes messages, and log entries, of mailboxes that do not exist."""
    for table in ("message", "expunged"):
        transaction.connection.execute(f"DELETE FROM {table} WHERE mailbox_id NOT IN (SELECT id FROM mailbox)")
    count_shares(transaction)
    drop_orphans(transaction)
    recount_account(transaction)


def clear_unknown_keywords(transaction: Transaction, mailbox_id: int) -> None:
    """Takes from messages the keywords that the mailbox has no name for."""
    mailbox = transaction.mailbox(mailbox_id)
    known = (1 << (KEYWORD_SHIFT + len(mailbox.keywords))) - 1
    transaction.connection.execute(
        "UPDATE message SET flags = flags & ?, modseq = ? WHERE mailbox_id = ? AND flags & ~? != 0",
        (known, transaction.stamp(mailbox), mailbox_id, known),
    )


def remove_message(transaction: Transaction, mailbox_id: int, uid: int) -> None:
    """Expunges a message that has no body any more."""
    transaction.connection.execute(
        "DELETE FROM message WHERE mailbox_id = ? AND uid = ? AND body_id NOT IN (SELECT body_id FROM content)",
        (mailbox_id, uid),
    )
    recount_mailbox(transaction, mailbox_id)
    count_shares(transaction)
    drop_orphans(transaction)


def drop_orphans(transaction: Transaction) -> None:
    """Erases bodies that no message shows."""
    for table in ("content", "digest", "rest", "shared"):
        transaction.connection.execute(f"DELETE FROM {table} WHERE body_id NOT IN (SELECT body_id FROM message)")


def count_shares(transaction: Transaction) -> None:
    """Counts anew which bodies are shown by several messages."""
    transaction.connection.execute("DELETE FROM shared")
    transaction.connection.execute(
        "INSERT INTO shared SELECT body_id, count(*) FROM message GROUP BY body_id HAVING count(*) > 1"
    )


def digest_missing(transaction: Transaction, body_id: int) -> None:
    """Works out a body's digest where it has none."""
    digest_again(transaction, body_id, mime_digest)


def digest_again(transaction: Transaction, body_id: int, digest: Callable[[bytes | mmap], Digest]) -> None:
    """Works out a body's digest anew; its EMAILID stays, if it had one."""
    connection = transaction.connection
    data = b"".join(bodies.chunks(connection, body_id))
    row = connection.execute(
        "SELECT checksum, email_id FROM content LEFT JOIN digest USING (body_id) WHERE body_id = ?", (body_id,)
    ).fetchone()
    if row is None:
        return
    made = digest(data)
    bodies.drop(connection, [body_id])
    bodies.insert_content(connection, body_id, data, row[0], made.header_size)
    headings = bodies.headings(data[: made.header_size])
    bodies.insert_digest(connection, body_id, row[1] or bodies.new_email_id(), made, headings)
    for mailbox_id, uids in _places(transaction, body_id).items():
        modseq = transaction.stamp(transaction.mailbox(mailbox_id))
        for uid in uids:
            connection.execute(
                "UPDATE message SET modseq = ? WHERE mailbox_id = ? AND uid = ?", (modseq, mailbox_id, uid)
            )


def _places(transaction: Transaction, body_id: int) -> dict[int, UidSet]:
    places: dict[int, list[int]] = {}
    for mailbox_id, uid in transaction.connection.execute(
        "SELECT mailbox_id, uid FROM message WHERE body_id = ?", (body_id,)
    ).fetchall():
        places.setdefault(mailbox_id, []).append(uid)
    return {mailbox_id: UidSet.of(uids) for mailbox_id, uids in places.items()}
