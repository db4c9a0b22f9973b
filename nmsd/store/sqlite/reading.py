"""What is read of mailboxes and messages.  Each function is one short step on the reader's connection."""

from __future__ import annotations

import sqlite3
from typing import Final

from nmsd.model.changes import Changes
from nmsd.model.flags import SEEN
from nmsd.model.mailbox import Mailbox
from nmsd.model.message import Usage
from nmsd.model.uidset import UidSet
from nmsd.store.sqlite.cache import OpenAccount
from nmsd.store.sqlite.database import snapshot
from nmsd.store.sqlite.rows import read_mailbox_by_id
from nmsd.store.sqlite.schema import CHUNK

_IDENTITY: Final = "SELECT uidnext, expunge_modseq, messages, horizon FROM mailbox WHERE id = ?"
_UIDS: Final = "SELECT uid FROM message WHERE mailbox_id = ? AND uid >= ? ORDER BY uid"
_ENDS: Final = (
    "SELECT (SELECT min(uid) FROM message WHERE mailbox_id = ?1), (SELECT max(uid) FROM message WHERE mailbox_id = ?1)"
)
_EXPUNGED: Final = "SELECT low, high FROM expunged WHERE mailbox_id = ? AND modseq > ?"
_CHANGED: Final = "SELECT uid, flags, modseq FROM message WHERE mailbox_id = ? AND modseq > ?"
_FIRST_UNSEEN: Final = f"SELECT uid FROM message WHERE mailbox_id = ? AND flags & {SEEN} = 0 ORDER BY uid LIMIT 1"
_WHERE_IS: Final = (
    "SELECT c.body_id, length(c.header), length(c.text), m.size FROM message m CROSS JOIN content c USING (body_id)"
    " WHERE mailbox_id = ? AND uid = ?"
)


def usage(opened: OpenAccount, connection: sqlite3.Connection) -> Usage:
    """The account's counters."""
    return Usage(*connection.execute("SELECT size, messages FROM account").fetchone())


def uids(opened: OpenAccount, connection: sqlite3.Connection, mailbox_id: int) -> UidSet:
    """All UIDs of a mailbox, none if it is gone."""
    return snapshot(connection, lambda reader: uids_inside(opened, reader, mailbox_id))


def uids_inside(opened: OpenAccount, connection: sqlite3.Connection, mailbox_id: int) -> UidSet:
    """The same, inside a snapshot.

    UIDNEXT and the last expunge's modseq determine the set; what was read before is kept, and only the difference is
    read: new messages, and what the log of expunges says.
    """
    row = connection.execute(_IDENTITY, (mailbox_id,)).fetchone()
    if row is None:
        return UidSet()
    uidnext, expunge_modseq, messages, horizon = row
    known = opened.uids.get(mailbox_id)
    if known is not None and known[0] == uidnext and known[1] == expunge_modseq:
        return known[2]
    if known is not None and horizon <= known[1] <= expunge_modseq and known[0] <= uidnext:
        found = known[2]
        if known[1] != expunge_modseq:
            found = found - UidSet(connection.execute(_EXPUNGED, (mailbox_id, known[1])).fetchall())
        if known[0] != uidnext:
            found = found | _read_uids(connection, mailbox_id, known[0])
    else:
        found = _read_all_uids(connection, mailbox_id, messages)
    opened.uids[mailbox_id] = (uidnext, expunge_modseq, found)
    return found


def _read_uids(connection: sqlite3.Connection, mailbox_id: int, low: int) -> UidSet:
    return UidSet.of_sorted([row[0] for row in connection.execute(_UIDS, (mailbox_id, low)).fetchall()])


def _read_all_uids(connection: sqlite3.Connection, mailbox_id: int, messages: int) -> UidSet:
    low, high = connection.execute(_ENDS, (mailbox_id,)).fetchone()
    if low is None:
        return UidSet()
    if high - low + 1 == messages:
        return UidSet([(low, high)])
    return _read_uids(connection, mailbox_id, low)


def snapshot_of(opened: OpenAccount, connection: sqlite3.Connection, mailbox_id: int) -> tuple[Mailbox, UidSet, int]:
    """A mailbox, its UIDs and its lowest unseen UID (0: none).  Raises NoSuchMailbox."""

    def read(reader: sqlite3.Connection) -> tuple[Mailbox, UidSet, int]:
        mailbox = read_mailbox_by_id(reader, mailbox_id)
        found = uids_inside(opened, reader, mailbox_id)
        unseen = reader.execute(_FIRST_UNSEEN, (mailbox_id,)).fetchone() if mailbox.unseen else None
        return mailbox, found, unseen[0] if unseen is not None else 0

    return snapshot(connection, read)


def changes(opened: OpenAccount, connection: sqlite3.Connection, mailbox_id: int, since: int) -> Changes:
    """What changed in a mailbox after modseq `since`.  Raises NoSuchMailbox."""

    def read(reader: sqlite3.Connection) -> Changes:
        mailbox = read_mailbox_by_id(reader, mailbox_id)
        flags: list[tuple[int, int, int]] = []
        vanished = UidSet()
        if mailbox.modseq > since:
            expunge_modseq, horizon = reader.execute(
                "SELECT expunge_modseq, horizon FROM mailbox WHERE id = ?", (mailbox_id,)
            ).fetchone()
            flags = sorted(reader.execute(_CHANGED, (mailbox_id, since)).fetchall())
            if since < horizon:
                # The log does not reach back: everything that is not there may have gone since then.
                vanished = UidSet([(1, mailbox.uidnext - 1)]) - uids_inside(opened, reader, mailbox_id)
            elif since < expunge_modseq:
                vanished = UidSet(reader.execute(_EXPUNGED, (mailbox_id, since)).fetchall())
        return Changes(mailbox.modseq, mailbox.uidnext, mailbox.messages, flags, vanished, mailbox.keywords)

    return snapshot(connection, read)


def read(
    opened: OpenAccount, connection: sqlite3.Connection, place: tuple[int, int], offset: int, length: int
) -> bytes:
    """`length` bytes from `offset` of the message at `place` (mailbox id, UID); b'' if it is gone."""
    return snapshot(connection, lambda reader: _read_inside(reader, place, offset, length))


def _read_inside(connection: sqlite3.Connection, place: tuple[int, int], offset: int, length: int) -> bytes:
    row = connection.execute(_WHERE_IS, place).fetchone()
    if row is None:
        return b""
    body_id, header_size, first_size, size = row
    offset = max(offset, 0)
    end = min(offset + max(length, 0), size)
    pieces: list[bytes] = []
    start = 0
    for source, piece_size in (("header", header_size), ("text", first_size)):
        low, high = max(offset, start), min(end, start + piece_size)
        if low < high:
            sql = f"SELECT substr({source}, ?, ?) FROM content WHERE body_id = ?"
            pieces.append(connection.execute(sql, (low - start + 1, high - low, body_id)).fetchone()[0])
        start += piece_size
    if end > start:
        low = max(offset, start) - start
        first, last = low // CHUNK, (end - start - 1) // CHUNK
        rows = connection.execute(
            "SELECT data FROM rest WHERE body_id = ? AND chunk BETWEEN ? AND ? ORDER BY chunk",
            (body_id, first + 1, last + 1),
        ).fetchall()
        rest = b"".join([row[0] for row in rows])
        pieces.append(rest[low - first * CHUNK : end - start - first * CHUNK])
    return b"".join(pieces)
