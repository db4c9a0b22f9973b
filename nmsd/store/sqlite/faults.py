"""SQLite's errors in the model's words; nowhere else is an error code looked at."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Final

from nmsd.model.errors import StoreCorrupt, StoreError, StoreFull, StoreUnavailable

_BUSY: Final = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))
# A failing write(2) is nearly always a quota or a size limit (EDQUOT, EFBIG); SQLite says FULL for ENOSPC alone.
_FULL: Final = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE))
_PASSING: Final = frozenset(
    (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_INTERRUPT,
    )
)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the error only says that somebody else holds a lock just now."""
    return _code(error) & 0xFF in _BUSY


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """The model's error for SQLite's."""
    code = _code(error)
    if code in _FULL or code & 0xFF in _FULL:
        return StoreFull(f"No room to write to {path} ({error})")
    if code & 0xFF in _BUSY:
        return StoreUnavailable(f"Another process keeps {path} locked ({error})")
    if code & 0xFF in _PASSING:
        return StoreUnavailable(f"Cannot read or write {path} ({error})")
    # What is left: not a database, malformed, or one without the tables it must have.
    return StoreCorrupt(f"{path} is damaged ({error}); nmsd check tells more")


def translate_os(error: OSError, path: Path) -> StoreError:
    """The model's error for the operating system's."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"No room to write to {path} ({error.strerror})")
    return StoreUnavailable(f"Cannot read or write {path} ({error.strerror})")


def _code(error: sqlite3.Error) -> int:
    # Errors of Python's module itself (a closed connection) carry no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
