"""The store on SQLite: one file for each account."""

from __future__ import annotations

import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path

from nmsd.mime.digest import digest as mime_digest
from nmsd.model.message import Digest
from nmsd.store.api import Announce, Runtime, Store
from nmsd.store.sqlite.database import DESCRIPTORS_PER_ACCOUNT
from nmsd.store.sqlite.engine import SqliteStore
from nmsd.store.sqlite.journal import DESCRIPTORS_OF_JOURNAL
from nmsd.store.sqlite.partitions import Partitions
from nmsd.store.sqlite.settings import SECTION, Limits, limits, partitions_of

__all__ = [
    "DESCRIPTORS_OF_JOURNAL",
    "DESCRIPTORS_PER_ACCOUNT",
    "SECTION",
    "Limits",
    "Partitions",
    "limits",
    "open_store",
    "partitions_of",
]


def open_store(
    root: Path,
    runtime: Runtime,
    announce: Announce,
    limits: Limits = Limits(),
    now: Callable[[], float] = time.time,
    digest: Callable[[bytes | mmap], Digest] = mime_digest,
    committed: Callable[[float], None] = lambda seconds: None,
    partitions: Partitions | None = None,
    journal: bool = False,
) -> Store:
    """The store in the directory `root`, which need not exist yet.  Opens no account, unless a process died and left
    appends behind that may have to be done again.

    `now` is the time in seconds since the epoch; `digest` takes a message apart, mime.digest with the settings' limits;
    `committed` is told how many seconds each write took; `partitions` are where accounts are, `root` the primary one
    and, unless told otherwise, the only one.  With `journal` this process gets one, which is worth its while where many
    accounts are appended to.  To be called after a fork, not before.  Raises StoreError.
    """
    return SqliteStore(root, runtime, announce, limits, now, digest, committed, partitions, journal)
