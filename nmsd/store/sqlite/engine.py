"""store.api.Store on SQLite: a directory with a file for each account."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from weakref import WeakValueDictionary

from nmsd.model.errors import NoSuchAccount
from nmsd.model.message import Digest
from nmsd.store.api import Announce, Finding, Runtime
from nmsd.store.sqlite.account import Engine, SqliteAccount
from nmsd.store.sqlite.cache import OpenCache
from nmsd.store.sqlite.check import check_account
from nmsd.store.sqlite.database import connect, erase
from nmsd.store.sqlite.faults import translate, translate_os
from nmsd.store.sqlite.maildrop import lock_path
from nmsd.store.sqlite.meter import Meter
from nmsd.store.sqlite.paths import database_path, database_paths, name_of
from nmsd.store.sqlite.settings import Limits


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
    ) -> None:
        cache = OpenCache(runtime, limits, now)
        meter = Meter(committed)
        self._engine = Engine(root, runtime, announce, limits, now, digest, cache, meter)
        self._accounts: WeakValueDictionary[str, SqliteAccount] = WeakValueDictionary()
        self._lock = threading.Lock()

    def account(self, name: str) -> SqliteAccount:
        found = self._accounts.get(name)
        if found is None:
            with self._lock:
                found = self._accounts.get(name)
                if found is None:
                    path = database_path(self._engine.root, name)
                    found = self._accounts[name] = SqliteAccount(name, path, self._engine)
        return found

    def accounts(self) -> Iterator[str]:
        return iter(sorted(filter(None, map(_name_of, database_paths(self._engine.root)))))

    def remove_account(self, name: str) -> None:
        path = database_path(self._engine.root, name)
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
