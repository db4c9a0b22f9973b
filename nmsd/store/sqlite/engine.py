"""store.api.Store on SQLite: a directory with a file for each account."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from mmap import mmap
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from nmsd.mime.digest import digest as mime_digest
from nmsd.model.errors import NoSuchAccount, StoreError
from nmsd.model.message import Digest
from nmsd.store.api import Announce, Finding, Runtime, Store
from nmsd.store.sqlite.account import Engine, SqliteAccount
from nmsd.store.sqlite.cache import OpenCache
from nmsd.store.sqlite.check import check_account
from nmsd.store.sqlite.database import connect, erase
from nmsd.store.sqlite.faults import translate, translate_os
from nmsd.store.sqlite.journal import open_journal, replay_journals, sync_wal
from nmsd.store.sqlite.maildrop import lock_path
from nmsd.store.sqlite.meter import Meter
from nmsd.store.sqlite.moving import move
from nmsd.store.sqlite.partitions import PRIMARY, Partitions
from nmsd.store.sqlite.paths import name_of
from nmsd.store.sqlite.redo import in_order
from nmsd.store.sqlite.settings import Limits

_LATEST: Final = 4096
"""So many accounts are kept, used or not, for some 400 bytes each: a login asks for one at the gate, and again when it
is over, and clients that look for mail every few minutes come back."""

_LOG: Final = logging.getLogger("nmsd.store")


class SqliteStore:
    """See store.api.Store."""

    def __init__(
        self,
        root: Path,
        runtime: Runtime,
        announce: Announce,
        limits: Limits,
        now: Callable[[], float],
        digest: Callable[[bytes | mmap], Digest],
        committed: Callable[[float], None],
        partitions: Partitions | None = None,
        journal: bool = False,
    ) -> None:
        cache = OpenCache(runtime, limits, now)
        meter = Meter(committed)
        partitions = partitions or Partitions({PRIMARY: root})
        self._lock = threading.Lock()
        self._engine = Engine(root, partitions, runtime, announce, limits, now, digest, cache, meter, None, self._lock)
        self._accounts: WeakValueDictionary[str, SqliteAccount] = WeakValueDictionary()
        self._latest: deque[SqliteAccount] = deque(maxlen=_LATEST)
        try:
            if journal and limits.journal_size:
                opened = open_journal(root, limits.journal_size, runtime, self._replay)
                self._engine = replace(self._engine, journal=opened)
                self._accounts.clear()
                self._latest.clear()
            else:
                replay_journals(root, self._replay)
        except OSError as error:
            raise translate_os(error, root) from error

    def _replay(self, records: Sequence[tuple[int, bytes]]) -> bool:
        """Does again what a power failure took back; False if not all of it could be."""
        well = True
        restored = 0
        for name, appends in in_order(records):
            account = self.account(name)
            if not account.exists():
                continue
            try:
                restored += account.append_again(appends)
                sync_wal(account.path)
            except (StoreError, OSError) as error:
                well = False
                _LOG.error("messages of %s cannot be restored: %s", name, error)
        if restored:
            _LOG.warning("%d messages that a crash had taken back are restored", restored)
        return well

    def account(self, name: str) -> SqliteAccount:
        found = self._accounts.get(name)
        if found is None or (len(self._engine.partitions) > 1 and not found.exists()):
            file = self._file(name)
            with self._lock:
                found = self._accounts.get(name)
                if found is None or (str(found.path) != file and not found.exists()):
                    found = self._accounts[name] = SqliteAccount(name, file, self._engine)
                    self._latest.append(found)
        return found

    def accounts(self) -> Iterator[str]:
        return iter(sorted(set(filter(None, map(_name_of, self._engine.partitions.files())))))

    def partitions(self) -> tuple[str, ...]:
        return self._engine.partitions.names()

    def _file(self, name: str) -> str:
        """Where the account is, or would be by default."""
        partitions = self._engine.partitions
        found = partitions.find(name) if len(partitions) > 1 else None
        return partitions.file(name) if found is None else str(found)

    def _path(self, name: str) -> Path:
        return Path(self._file(name))

    def remove_account(self, name: str) -> None:
        path = self._path(name)
        self._engine.cache.discard(name)
        try:
            self._engine.runtime.offload(lambda: self._erase(path))
        except FileNotFoundError:
            raise NoSuchAccount(f"There is no account {name!r}") from None
        except sqlite3.Error as error:
            raise translate(error, path) from error
        except OSError as error:
            raise translate_os(error, path) from error
        finally:
            self._engine.cache.discard(name)

    def move_account(self, name: str, partition: str) -> None:
        engine = self._engine
        account, path = self.account(name), self._path(name)
        target = engine.partitions.place(name, partition)
        if not path.exists():
            raise NoSuchAccount(f"There is no account {name!r}")
        if target == path:
            return
        try:
            engine.runtime.offload(lambda: self._move(path, target))
        except sqlite3.Error as error:
            raise translate(error, path) from error
        except OSError as error:
            raise translate_os(error, target) from error
        finally:
            engine.cache.discard(name)
        account.follow()

    def _move(self, path: Path, target: Path) -> None:
        with self._engine.partitions.making():
            self._engine.cache.close_retired()
            move(path, target, self._engine.limits.lock_timeout_s)

    def _erase(self, path: Path) -> None:
        self._engine.cache.close_retired()
        erase(path, self._engine.limits.lock_timeout_s)
        with suppress(FileNotFoundError):
            lock_path(path).unlink()

    def check(self, name: str, repair: bool = False) -> Iterator[Finding]:
        return check_account(self.account(name), self._engine, repair)

    def figures(self) -> dict[str, int]:
        """Numbers for who watches the server: writes that are under way or wait, accounts that are open."""
        return {"store_writes": self._engine.meter.unfinished, "store_open": len(self._engine.cache)}

    def idle(self) -> None:
        self._engine.cache.close_unused(self._engine.limits.open_idle_s)

    def close(self) -> None:
        self._engine.cache.close_unused(float("-inf"))
        if self._engine.journal is not None:
            self._engine.journal.close()


def _name_of(path: Path) -> str:
    """The account of a file, '' for a file that is none."""
    try:
        name = name_of(path.stem)
        if name is not None:
            return name
        connection = connect(path, "ro", 1)
        try:
            row = connection.execute("SELECT name FROM account").fetchone()
            return str(row[0])
        finally:
            connection.close()
    except (ValueError, sqlite3.Error):
        return ""


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
