"""The tables of an account's file, and how older files are brought up to date.

What FETCH of flags and sizes touches lies in `message`, clustered by mailbox and UID, and nothing else does; what
FETCH of summaries touches lies in `digest`; the message itself in `content`, header before text, so that reading a
header leaves the text's pages alone.  A body has one row in `digest` and `content` however many messages show it:
`shared` counts them where there are more than one, so that appending pays nothing for COPY.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from nmsd.model.errors import StoreUnavailable

CHUNK: Final = 256 * 1024
"""A text longer than this goes on in `rest`, in pieces of this size: SQLite reads a value whole or not at all."""

_FIRST: Final = """
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    modseq INTEGER NOT NULL,            -- the last one given
    uidvalidity INTEGER NOT NULL,       -- the last one given
    last_mailbox INTEGER NOT NULL,      -- ids are never given again: sessions hold them
    last_body INTEGER NOT NULL,
    size INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0  -- tells processes that still hold the file open
);
CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    uidvalidity INTEGER NOT NULL,
    uidnext INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    unseen INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    size INTEGER NOT NULL,
    recent_uid INTEGER NOT NULL,
    keywords TEXT NOT NULL,             -- with spaces between
    special_use TEXT NOT NULL,          -- with spaces between
    object_id TEXT NOT NULL,
    expunge_modseq INTEGER NOT NULL,    -- of the last expunge: with uidnext, it says whether the UIDs are the same
    horizon INTEGER NOT NULL,           -- `expunged` is complete after this modseq
    log_entries INTEGER NOT NULL        -- rows in `expunged`
);
CREATE TABLE message (
    mailbox_id INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    size INTEGER NOT NULL,
    epoch INTEGER NOT NULL,             -- internal date
    zone INTEGER NOT NULL,              -- its minutes east of UTC
    date BLOB NOT NULL,                 -- it again, ready for the wire
    save_epoch INTEGER NOT NULL,
    body_id INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;
CREATE INDEX message_modseq ON message (mailbox_id, modseq);
CREATE TABLE expunged (
    mailbox_id INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, modseq, low)
) WITHOUT ROWID;
CREATE TABLE digest (
    body_id INTEGER PRIMARY KEY,
    email_id TEXT NOT NULL,
    header_size INTEGER NOT NULL,
    sent_date INTEGER,
    subject TEXT,                       -- this and the next: fields as search compares them, NULL where there is none
    sender TEXT,
    recipient TEXT,
    cc TEXT,
    bcc TEXT,
    message_id TEXT,
    envelope BLOB NOT NULL,
    body BLOB NOT NULL,
    bodystructure BLOB NOT NULL,
    parts BLOB NOT NULL
);
CREATE TABLE content (
    body_id INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL,             -- BLAKE2b of header and whole text, 16 bytes
    header BLOB NOT NULL,
    text BLOB NOT NULL                  -- its first CHUNK bytes
);
CREATE TABLE rest (
    body_id INTEGER NOT NULL,
    chunk INTEGER NOT NULL,             -- from 1
    data BLOB NOT NULL,
    PRIMARY KEY (body_id, chunk)
);
CREATE TABLE shared (
    body_id INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL
);
CREATE TABLE subscription (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

MIGRATIONS: Final[tuple[str, ...]] = (_FIRST,)
"""Scripts, each from one version to the next; PRAGMA user_version is how many were run.  Append only."""

LATEST: Final = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The schema version of a file; 0 for an empty one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Brings a file to the latest version in one transaction.  Raises StoreUnavailable for a file of a newer nmsd."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        present = version(connection)  # another process may have been faster
        if present > len(migrations):
            raise StoreUnavailable("This account was written by a newer nmsd")
        for script in migrations[present:]:
            # Without comments and indents: SQLite parses the text anew at each opening of the file.
            for statement in re.sub(r"--.*|\s+", lambda match: "" if match[0][0] == "-" else " ", script).split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
