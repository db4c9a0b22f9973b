"""Message bodies: taken apart before a transaction, stored in it, counted, and dropped with their last message."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from mmap import mmap
from typing import Final

from nmsd.mime.header import decode_words, iter_fields, unfold
from nmsd.mime.text import normalise
from nmsd.model.message import Digest, NewMessage
from nmsd.store.sqlite.dates import wire_date
from nmsd.store.sqlite.schema import CHUNK

CHECKSUM_BYTES: Final = 16

HEADING_COLUMNS: Final = {
    "subject": "subject",
    "from": "sender",
    "to": "recipient",
    "cc": "cc",
    "bcc": "bcc",
    "message-id": "message_id",
}
"""The header fields that search finds without reading headers, and the columns of `digest` that hold them."""

_FIELDS: Final = tuple(name.encode() for name in HEADING_COLUMNS)

_INSERT_DIGEST: Final = (
    "INSERT INTO digest (body_id, email_id, header_size, sent_date, subject, sender, recipient, cc, bcc, message_id,"
    " envelope, body, bodystructure, parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_CONTENT: Final = "INSERT INTO content (body_id, checksum, header, text) VALUES (?, ?, ?, ?)"
_INSERT_REST: Final = "INSERT INTO rest (body_id, chunk, data) VALUES (?, ?, ?)"
_SHARE: Final = (
    "INSERT INTO shared (body_id, messages) VALUES (?, 2) ON CONFLICT (body_id) DO UPDATE SET messages = messages + 1"
)


@dataclass(frozen=True)
class Prepared:
    """A new message with all that is worked out of it before the transaction begins."""

    message: NewMessage
    digest: Digest
    checksum: bytes
    headings: tuple[str | None, ...]
    date: bytes
    size: int


def prepare(message: NewMessage, digest: Callable[[bytes | mmap], Digest]) -> Prepared:
    """Takes a message apart.  Its header is in memory once, its text never as a whole."""
    worked_out = digest(message.data)
    return Prepared(
        message,
        worked_out,
        blake2b(message.data, digest_size=CHECKSUM_BYTES).digest(),
        headings(message.data[: worked_out.header_size]),
        wire_date(message.internal_date),
        len(message.data),
    )


def headings(header: bytes) -> tuple[str | None, ...]:
    """What HEADING_COLUMNS hold for a header: the decoded texts of the field, folded for search, a line each."""
    texts: dict[bytes, list[str]] = {}
    for name, value in iter_fields(header):
        name = name.lower()
        if name in _FIELDS:
            texts.setdefault(name, []).append(normalise(decode_words(unfold(value))))
    return tuple(_storable("\n".join(texts[name])) if name in texts else None for name in _FIELDS)


def _storable(text: str) -> str:
    # Half a surrogate pair has no UTF-8; nor can anyone search for it.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def insert(connection: sqlite3.Connection, body_id: int, prepared: Prepared, email_id: str) -> None:
    """Stores a body under a new id."""
    insert_content(connection, body_id, prepared.message.data, prepared.checksum, prepared.digest.header_size)
    insert_digest(connection, body_id, email_id, prepared.digest, prepared.headings)


def insert_content(
    connection: sqlite3.Connection, body_id: int, data: bytes | mmap, checksum: bytes, header_size: int
) -> None:
    """Stores a body's bytes."""
    first = header_size + CHUNK
    connection.execute(_INSERT_CONTENT, (body_id, checksum, data[:header_size], data[header_size:first]))
    for chunk, offset in enumerate(range(first, len(data), CHUNK), 1):
        connection.execute(_INSERT_REST, (body_id, chunk, data[offset : offset + CHUNK]))


def insert_digest(
    connection: sqlite3.Connection, body_id: int, email_id: str, digest: Digest, headings_: tuple[str | None, ...]
) -> None:
    """Stores what was worked out of a body."""
    connection.execute(
        _INSERT_DIGEST,
        (
            body_id,
            email_id,
            digest.header_size,
            digest.sent_date,
            *headings_,
            digest.envelope,
            digest.body,
            digest.bodystructure,
            digest.parts,
        ),
    )


def new_email_id() -> str:
    """An EMAILID (RFC 8474 §5.1) that no other body has."""
    return "M" + os.urandom(12).hex()


def share(connection: sqlite3.Connection, body_ids: Iterable[int]) -> None:
    """Counts one more message for each body, as often as it is given."""
    connection.executemany(_SHARE, ((body_id,) for body_id in body_ids))


def release(connection: sqlite3.Connection, body_ids: Sequence[int]) -> None:
    """Counts one message less for each body, and erases those that no message shows any more."""
    unused = body_ids
    if connection.execute("SELECT 1 FROM shared LIMIT 1").fetchone() is not None:
        unused = [body_id for body_id in body_ids if not _unshare(connection, body_id)]
    drop(connection, unused)


def _unshare(connection: sqlite3.Connection, body_id: int) -> bool:
    row = connection.execute("SELECT messages FROM shared WHERE body_id = ?", (body_id,)).fetchone()
    if row is None:
        return False
    if row[0] > 2:
        connection.execute("UPDATE shared SET messages = messages - 1 WHERE body_id = ?", (body_id,))
    else:
        connection.execute("DELETE FROM shared WHERE body_id = ?", (body_id,))
    return True


def drop(connection: sqlite3.Connection, body_ids: Sequence[int]) -> None:
    """Erases bodies."""
    for table in ("content", "digest", "rest"):
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:
            connection.executemany(f"DELETE FROM {table} WHERE body_id = ?", [(body_id,) for body_id in body_ids])


def chunks(connection: sqlite3.Connection, body_id: int) -> Iterator[bytes]:
    """A body's bytes in order: its header, then its text piece by piece.  Nothing is held open in between."""
    row = connection.execute("SELECT header, text FROM content WHERE body_id = ?", (body_id,)).fetchone()
    if row is None:
        return
    header, text = row
    yield header
    yield text
    yield from rest(connection, body_id, text)


def rest(connection: sqlite3.Connection, body_id: int, text: bytes) -> Iterator[bytes]:
    """What follows on `text`, the first piece of a body's text."""
    piece = text
    chunk = 0
    while len(piece) == CHUNK:
        chunk += 1
        row = connection.execute("SELECT data FROM rest WHERE body_id = ? AND chunk = ?", (body_id, chunk)).fetchone()
        if row is None:
            return
        piece = row[0]
        yield piece
