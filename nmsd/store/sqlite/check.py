"""Checking an account against every invariant, while it is in use.

The file's own structure first; then all rows against each other, as of one moment; then each body against its checksum,
one after the other.  A repair is an operation like any other: it works out the right state inside its transaction, so
what happened since the finding does not harm.

What cannot be mended: a damaged file, and a body that fails its checksum; such a message stays where it is.  A message
whose body is lost altogether is removed, as an expunge would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Final

from nmsd.mime.parts import unpack
from nmsd.model.errors import NoSuchAccount, StoreError
from nmsd.store.api import Finding
from nmsd.store.sqlite import bodies, repair
from nmsd.store.sqlite.account import Engine, SqliteAccount
from nmsd.store.sqlite.audit import Problem, audit
from nmsd.store.sqlite.database import is_removed, open_reader, snapshot
from nmsd.store.sqlite.faults import translate

_BODIES: Final = 256
_MOST_LINES: Final = 20


def check_account(account: SqliteAccount, engine: Engine, mend: bool) -> Iterator[Finding]:
    """What is wrong with an account, and with `mend` repaired where it can be.  Raises NoSuchAccount."""
    if not account.exists():
        raise NoSuchAccount(f"There is no account {account.name!r}")
    try:
        connection = open_reader(account.path, engine.limits.lock_timeout_s)
        try:
            damage = _damage(connection)
            if damage:
                yield from (Finding(account.name, "", text) for text in damage)
                return
            if is_removed(connection):
                raise NoSuchAccount(f"There is no account {account.name!r}")
            for problem in snapshot(connection, partial(audit, account.name)):
                yield _finding(account, problem, mend)
            for problem in _check_bodies(connection, engine):
                yield _finding(account, problem, mend)
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield Finding(account.name, "", str(translate(error, account.path)))


def _damage(connection: sqlite3.Connection) -> list[str]:
    lines = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_LINES})").fetchall()]
    return [] if lines == ["ok"] else [f"The file is damaged, restore it: {line}" for line in lines]


def _finding(account: SqliteAccount, problem: Problem, mend: bool) -> Finding:
    if not mend or problem.mend is None:
        return Finding(account.name, problem.mailbox, problem.text)
    try:
        account.transact(problem.mend)
    except StoreError as error:
        return Finding(account.name, problem.mailbox, f"{problem.text} (the repair failed: {error})")
    return Finding(account.name, problem.mailbox, problem.text, True)


def _check_bodies(connection: sqlite3.Connection, engine: Engine) -> Iterator[Problem]:
    last = 0
    while True:
        rows = connection.execute(
            f"SELECT body_id FROM content WHERE body_id > ? ORDER BY body_id LIMIT {_BODIES}", (last,)
        ).fetchall()
        if not rows:
            return
        for (body_id,) in rows:
            yield from _check_body(connection, engine, body_id)
        last = rows[-1][0]


def _check_body(connection: sqlite3.Connection, engine: Engine, body_id: int) -> Iterator[Problem]:
    row = connection.execute(
        "SELECT checksum, length(header), header_size, parts FROM content JOIN digest USING (body_id)"
        " WHERE body_id = ?",
        (body_id,),
    ).fetchone()
    if row is None:  # expunged meanwhile, or one that the audit has told of
        return
    checksum, stored_header, header_size, parts = row
    hashed = blake2b(digest_size=bodies.CHECKSUM_BYTES)
    for chunk in bodies.chunks(connection, body_id):
        hashed.update(chunk)
    places = connection.execute(
        "SELECT name, uid FROM message m JOIN mailbox b ON b.id = m.mailbox_id WHERE body_id = ?", (body_id,)
    ).fetchall()
    if not places:
        return
    mailbox = str(places[0][0])
    where = ", ".join(f"UID {uid} in {name}" for name, uid in places)
    if hashed.digest() != checksum:
        yield Problem(mailbox, f"The message is not what was stored: its checksum differs ({where})", None)
    elif stored_header != header_size or not _is_tree(parts):
        mend = partial(repair.digest_again, body_id=body_id, digest=engine.digest)
        yield Problem(mailbox, f"What was worked out of the message is unreadable ({where})", mend)


def _is_tree(parts: bytes) -> bool:
    try:
        unpack(parts)
    except ValueError:
        return False
    return True
