"""Moving an account's file to another directory while it may be in use.

The copy is whole, and on the disk under its name, before the old file is marked as removed, and nobody can write in
between.  Who has the old file open reads on in it for a second at most; a write looks first whether it is still there.
After a crash in the middle both are there, alike; the one in the partition that is listed first is used.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from nmsd.model.errors import StoreUnavailable
from nmsd.store.sqlite.database import directory_lock, end_as_removed, open_reader, open_writer, unlink
from nmsd.store.sqlite.maildrop import lock_path, maildrop_lock
from nmsd.store.sqlite.paths import make_directory, sync_directory


def move(path: Path, target: Path, wait_s: float) -> None:
    """For a native thread.  Raises sqlite3.Error, OSError, MaildropInUse, StoreUnavailable."""
    make_directory(target.parent)
    with maildrop_lock(path), directory_lock(path.parent):
        writer = open_writer(path, wait_s)
        try:
            writer.execute("BEGIN IMMEDIATE")
            _copy(path, target, wait_s)
            with suppress(StoreUnavailable):  # a reader that does not let go: there is no way back any more
                end_as_removed(writer, path)
        finally:
            writer.close()
        unlink(path)
        sync_directory(path.parent)
        lock_path(path).unlink(missing_ok=True)


def _copy(path: Path, target: Path, wait_s: float) -> None:
    temporary = target.with_name(f".{target.name}.new")
    unlink(temporary)
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        reader = open_reader(path, wait_s)
        copy = sqlite3.connect(temporary)
        try:
            reader.backup(copy)
        finally:
            copy.close()
            reader.close()
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unlink(target)  # left behind by an earlier move; its WAL would get into the new file
        os.rename(temporary, target)
    except BaseException:
        unlink(temporary)
        raise
    sync_directory(target.parent)
