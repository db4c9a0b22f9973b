"""Connections to account files, and the making and erasing of them.

Each account in use has two: a reader, used where the caller is, which never waits and never writes (opened read-only,
closing it does not even checkpoint); and a writer, which waits for locks, syncs, and checkpoints the WAL, all of these
in native threads only.  WAL mode lets them work at the same time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from nmsd.model.errors import StoreCorrupt, StoreUnavailable
from nmsd.store.sqlite import schema
from nmsd.store.sqlite.faults import translate
from nmsd.store.sqlite.paths import make_directory, sync_directory

T = TypeVar("T")

DESCRIPTORS_PER_ACCOUNT: Final = 5
"""File descriptors of an open account: database and WAL twice, the WAL's index once."""

_STATEMENTS: Final = 256
_READER_CACHE_KB: Final = 2048
_WRITER_CACHE_KB: Final = 4096
_CHECKPOINT_PAGES: Final = 2000  # 8 MB of WAL: a checkpoint, with its two fsyncs, once for some 200 messages
_WAL_KEPT_BYTES: Final = 16 << 20
_SPARE_PAGES: Final = 1024  # 4 MB, and a quarter of the file: what new mail will soon fill again
_SPARE_SHARE: Final = 4
_PAGES_GIVEN_BACK: Final = 8192
_LOCK_NAME: Final = ".lock"
_REMOVED: Final = "SELECT removed FROM account"


def connect(path: Path, mode: str, wait_s: float) -> sqlite3.Connection:
    """A connection to an existing file; `mode` is ro or rw.  Raises sqlite3.OperationalError if there is none."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=wait_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )


def open_reader(path: Path, wait_s: float = 0) -> sqlite3.Connection:
    """A connection that reads and, unless told to, never waits."""
    connection = connect(path, "ro", wait_s)
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
    return connection


def open_writer(path: Path, wait_s: float) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return.  Brings an old file up to date."""
    connection = connect(path, "rw", wait_s)
    try:
        sync_commits(connection, True)
        # Zeroing what is deleted would double the writing; the disk belongs to us.
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KB}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        if schema.version(connection) != schema.LATEST:
            schema.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def wait_for_locks(connection: sqlite3.Connection, wait_s: float) -> None:
    """Sets how long a connection waits for others before it fails.  Raises sqlite3.Error."""
    connection.execute(f"PRAGMA busy_timeout = {int(wait_s * 1000)}")


def sync_commits(connection: sqlite3.Connection, synced: bool) -> None:
    """Sets whether commits sync the WAL, and now and then checkpoint it; they are then slow.  Raises sqlite3.Error."""
    # NORMAL still syncs around a checkpoint.
    connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES if synced else 0}")


def is_removed(connection: sqlite3.Connection) -> bool:
    """Whether the account was erased while this connection was open."""
    row = connection.execute(_REMOVED).fetchone()
    return row is None or bool(row[0])


def give_back_space(writer: sqlite3.Connection) -> None:
    """Shortens a file of which much is unused, by so much that it takes no long.  Raises sqlite3.Error."""
    free = writer.execute("PRAGMA freelist_count").fetchone()[0]
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    if free > _SPARE_PAGES and free * _SPARE_SHARE > pages:
        # The statement gives back a page at each step; `execute` takes but one.
        writer.executescript(f"PRAGMA incremental_vacuum({_PAGES_GIVEN_BACK})")


def snapshot(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    """What `read` returns, all of it as of one moment."""
    connection.execute("BEGIN")
    try:
        return read(connection)
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Keeps other processes from making and erasing accounts in one directory.  Blocks; for native threads."""
    descriptor = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> bool:
    """Makes an account's file, with what `fill` puts into it, at one stroke; says whether there was none before."""
    make_directory(path.parent)
    with directory_lock(path.parent):
        if path.exists():
            return False
        temporary = path.with_name(f".{path.name}.new")
        unlink(temporary)  # left behind by a process that died in here
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            connection = connect(temporary, "rw", 0)
            try:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                schema.migrate(connection)
                connection.execute("BEGIN IMMEDIATE")
                fill(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()  # the last one: it moves the WAL into the file and syncs it
            unlink(path)  # somebody may have taken the file away; its WAL would get into the new one
            os.rename(temporary, path)
        except BaseException:
            unlink(temporary)
            raise
        sync_directory(path.parent)
    return True


def erase(path: Path, wait_s: float) -> None:
    """Erases an account's file.  Processes that have it open find it empty, and marked as removed.

    The mark is moved from the WAL into the file before anything is unlinked, so that whoever opened the file just
    before sees it too and does not write; nobody makes the account anew before all its files are gone.  Raises
    FileNotFoundError, sqlite3.Error, StoreUnavailable.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    with directory_lock(path.parent):
        if not path.exists():
            raise FileNotFoundError(path)
        try:
            _mark_removed(path, wait_s)
        except sqlite3.Error as error:
            if not isinstance(translate(error, path), StoreCorrupt):  # a damaged file is of no use to anyone
                raise
        unlink(path)
        sync_directory(path.parent)


def _mark_removed(path: Path, wait_s: float) -> None:
    connection = open_writer(path, wait_s)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE account SET size = 0, messages = 0")
        for table in ("mailbox", "message", "subscription"):
            connection.execute(f"DELETE FROM {table}")
        end_as_removed(connection, path)
    finally:
        connection.close()


def end_as_removed(writer: sqlite3.Connection, path: Path) -> None:
    """Ends a writer's transaction with the account marked as removed, in the file itself.  Raises sqlite3.Error,
    StoreUnavailable."""
    writer.execute("UPDATE account SET removed = 1")
    writer.execute("COMMIT")
    busy = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreUnavailable(f"{path} is in use; try again")


def unlink(path: Path) -> None:
    """Takes a database's files away."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
