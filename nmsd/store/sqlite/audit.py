"""The rows of an account held against each other: counters, numbers, the change log, bodies and who shows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from nmsd.model.errors import InvalidName, LimitReached
from nmsd.model.flags import KEYWORD_SHIFT
from nmsd.model.mailbox import INBOX, canonical_name
from nmsd.store.sqlite import repair
from nmsd.store.sqlite.names import check_mailbox_name
from nmsd.store.sqlite.settings import Limits
from nmsd.store.sqlite.transaction import Transaction


@dataclass(frozen=True)
class Problem:
    """What is wrong, in which mailbox ('' for the account), and what mends it, if anything does."""

    mailbox: str
    text: str
    mend: Callable[[Transaction], None] | None


_TALLY: Final = """
SELECT b.id, b.name, b.keywords, b.uidnext, b.modseq, b.recent_uid, b.messages, b.unseen, b.deleted, b.size,
    b.expunge_modseq, b.horizon, b.log_entries,
    count(m.uid), ifnull(sum(m.flags & 1 = 0), 0), ifnull(sum(m.flags & 8 != 0), 0), ifnull(sum(m.size), 0),
    ifnull(min(m.uid), 1), ifnull(max(m.uid), 0), ifnull(max(m.modseq), 0), ifnull(max(m.flags), 0)
FROM mailbox b LEFT JOIN message m ON m.mailbox_id = b.id GROUP BY b.id ORDER BY b.name
"""
_LOG: Final = """
SELECT count(*), ifnull(max(modseq), 0), ifnull(max(high), 0), ifnull(min(modseq), 0) FROM expunged
WHERE mailbox_id = ?
"""
_RISEN: Final = """
SELECT e.low, e.high FROM expunged e WHERE e.mailbox_id = ?1 AND EXISTS (
    SELECT 1 FROM message m WHERE m.mailbox_id = ?1 AND m.uid BETWEEN e.low AND e.high)
"""
_BODILESS: Final = """
SELECT b.name, m.mailbox_id, m.uid FROM message m JOIN mailbox b ON b.id = m.mailbox_id
WHERE NOT EXISTS (SELECT 1 FROM content c WHERE c.body_id = m.body_id)
"""
_UNDIGESTED: Final = """
SELECT b.name, m.uid, m.body_id FROM message m JOIN mailbox b ON b.id = m.mailbox_id
WHERE EXISTS (SELECT 1 FROM content c WHERE c.body_id = m.body_id)
    AND NOT EXISTS (SELECT 1 FROM digest d WHERE d.body_id = m.body_id)
GROUP BY m.body_id
"""
_SIZES: Final = """
SELECT b.name, m.uid, m.size,
    length(c.header) + length(c.text)
    + ifnull((SELECT sum(length(r.data)) FROM rest r WHERE r.body_id = c.body_id), 0) AS bytes
FROM message m JOIN content c USING (body_id) JOIN mailbox b ON b.id = m.mailbox_id WHERE m.size != bytes
"""


def audit(name: str, connection: sqlite3.Connection) -> list[Problem]:
    """All problems of the account `name`.  To be run inside a snapshot."""
    row = connection.execute("SELECT name, modseq, uidvalidity, last_mailbox, last_body FROM account").fetchone()
    if row is None:
        return [Problem("", "The account's own row is missing: restore the file", None)]
    problems: list[Problem] = []
    if row[0] != name:
        problems.append(Problem("", f"The file belongs to the account {row[0]!r}", None))
    # Bodies before counters: to mend them, messages may have to go.
    problems += _audit_bodies(connection)
    problems += _audit_mailboxes(connection, row[1])
    problems += _audit_account(connection, row[1:])
    return problems


def _audit_account(connection: sqlite3.Connection, row: tuple[int, ...]) -> Iterator[Problem]:
    modseq, uidvalidity, last_mailbox, last_body = row
    highest = connection.execute(
        "SELECT ifnull(max(modseq), 0), ifnull(max(uidvalidity), 0), ifnull(max(id), 0),"
        " (SELECT ifnull(max(body_id), 0) FROM content) FROM mailbox"
    ).fetchone()
    for what, kept, found in zip(
        ("modseq", "UIDVALIDITY", "mailbox id", "body id"), (modseq, uidvalidity, last_mailbox, last_body), highest
    ):
        if found > kept:
            yield Problem("", f"The last {what} given is noted as {kept}, but {found} is in use", repair.raise_numbers)
    totals = connection.execute("SELECT size, messages FROM account").fetchone()
    counted = connection.execute("SELECT ifnull(sum(size), 0), count(*) FROM message").fetchone()
    if totals != counted:
        text = f"The account counts {totals[1]} messages of {totals[0]} bytes; there are {counted[1]} of {counted[0]}"
        yield Problem("", text, repair.recount_account)
    if connection.execute("SELECT 1 FROM mailbox WHERE name = ?", (INBOX,)).fetchone() is None:
        yield Problem("", "There is no INBOX", repair.make_inbox)
    for (subscribed,) in connection.execute("SELECT name FROM subscription ORDER BY name").fetchall():
        if not _is_name(subscribed):
            mend = partial(repair.unsubscribe, name=subscribed)
            yield Problem("", f"The subscription {subscribed!r} can name no mailbox", mend)


def _audit_mailboxes(connection: sqlite3.Connection, modseq: int) -> Iterator[Problem]:
    strays = connection.execute(
        "SELECT count(*) FROM message WHERE mailbox_id NOT IN (SELECT id FROM mailbox)"
    ).fetchone()[0]
    if strays:
        yield Problem("", f"{strays} messages belong to no mailbox", repair.drop_strays)
    for row in connection.execute(_TALLY).fetchall():
        yield from _audit_mailbox(connection, row)
        if not _is_name(row[1]):
            yield Problem(row[1], "A mailbox may not be called so: rename it", None)


def _audit_mailbox(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Iterator[Problem]:
    mailbox_id, name, keywords, uidnext, modseq, recent_uid = row[:6]
    recount = partial(repair.recount_mailbox, mailbox_id=mailbox_id)
    for what, kept, counted in zip(("messages", "unseen", "deleted", "size"), row[6:10], row[13:17]):
        if kept != counted:
            yield Problem(name, f"The mailbox counts {kept} for {what}; it is {counted}", recount)
    expunge_modseq, horizon, log_entries = row[10:13]
    lowest_uid, highest_uid, highest_modseq, highest_flags = row[17:21]
    entries, log_modseq, log_uid, log_first = connection.execute(_LOG, (mailbox_id,)).fetchone()
    if lowest_uid < 1 or max(highest_uid, log_uid) >= uidnext:
        yield Problem(name, f"UIDNEXT is {uidnext}, but UID {max(highest_uid, log_uid)} was given", recount)
    if max(highest_modseq, log_modseq) > modseq:
        yield Problem(name, f"The modseq is {modseq}, but {max(highest_modseq, log_modseq)} was given", recount)
    if not 1 <= recent_uid <= uidnext:
        yield Problem(name, f"The first recent UID is {recent_uid}, UIDNEXT {uidnext}", recount)
    if entries != log_entries or log_modseq > expunge_modseq or (entries and log_first <= horizon):
        yield Problem(name, f"The log of expunges has {entries} entries, not {log_entries}", recount)
    if highest_flags >> (KEYWORD_SHIFT + len(keywords.split())):
        mend = partial(repair.clear_unknown_keywords, mailbox_id=mailbox_id)
        yield Problem(name, "Messages carry keywords that the mailbox does not know", mend)
    for low, high in connection.execute(_RISEN, (mailbox_id,)).fetchall():
        yield Problem(name, f"The log says that UIDs {low} to {high} are gone, but they are not all", recount)


def _audit_bodies(connection: sqlite3.Connection) -> Iterator[Problem]:
    for name, mailbox_id, uid in connection.execute(_BODILESS).fetchall():
        mend = partial(repair.remove_message, mailbox_id=mailbox_id, uid=uid)
        yield Problem(name, f"The body of UID {uid} is lost", mend)
    for name, uid, body_id in connection.execute(_UNDIGESTED).fetchall():
        mend = partial(repair.digest_missing, body_id=body_id)
        yield Problem(name, f"What was worked out of UID {uid} is missing", mend)
    for name, uid, kept, counted in connection.execute(_SIZES).fetchall():
        yield Problem(name, f"UID {uid} is noted with {kept} bytes, but {counted} are stored", None)
    for table in ("content", "digest", "rest", "shared"):
        orphans = connection.execute(
            f"SELECT count(DISTINCT body_id) FROM {table} WHERE body_id NOT IN (SELECT body_id FROM message)"
        ).fetchone()[0]
        if orphans:
            yield Problem("", f"{orphans} bodies in {table} belong to no message", repair.drop_orphans)
    miscounted = connection.execute(
        "SELECT count(*) FROM (SELECT body_id, count(*) AS shown FROM message GROUP BY body_id) m"
        " LEFT JOIN shared s USING (body_id) WHERE ifnull(s.messages, 1) != m.shown"
    ).fetchone()[0]
    if miscounted:
        yield Problem("", f"{miscounted} bodies are shown by more or fewer messages than counted", repair.count_shares)


def _is_name(name: str) -> bool:
    try:
        check_mailbox_name(name, Limits(max_name_length=1 << 30, max_hierarchy_depth=1 << 30))
    except (InvalidName, LimitReached):
        return False
    return name == canonical_name(name)
