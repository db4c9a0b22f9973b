"""The POP3 lock of an account: a lock on a file beside the database, which the system drops with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmsd.model.errors import MaildropInUse
from nmsd.store.sqlite.faults import translate_os
from nmsd.store.sqlite.paths import LOCK_SUFFIX, make_directory


def lock_path(database: Path) -> Path:
    """The lock file of an account's database."""
    return database.with_suffix(LOCK_SUFFIX)


@contextmanager
def maildrop_lock(database: Path) -> Iterator[None]:
    """Holds the lock until left.  Two holders exclude each other in one process too: each has a file of its own open.
    Raises MaildropInUse at once."""
    path = lock_path(database)
    descriptor = _open(path)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MaildropInUse("Another session has this maildrop open") from None
            if _is_still(path, descriptor):
                break
            # Removing the account took the file away between opening and locking.
            os.close(descriptor)
            descriptor = _open(path)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        make_directory(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise translate_os(error, path) from error


def _is_still(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False
