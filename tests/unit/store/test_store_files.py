"""An account's file: how it is made, opened, brought up to date, kept open and closed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from nmsd.config.setting import Config
from nmsd.model.errors import NoSuchAccount, StoreCorrupt, StoreFull, StoreUnavailable
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field
from nmsd.store.api import Store
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite import settings as store_settings
from nmsd.store.sqlite.database import DESCRIPTORS_PER_ACCOUNT, open_reader, open_writer
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.faults import translate, translate_os
from nmsd.store.sqlite.paths import database_path
from nmsd.store.sqlite.schema import LATEST, migrate, version
from nmsd.store.sqlite.settings import SECTION, Limits, limits
from tests.contract.store_engines import Clock
from tests.contract.store_messages import fetch, fill, new, uids

ALICE = "alice@example.com"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(root: Path, clock: Clock, most: int = 256, wait: float = 20) -> Store:
    return open_store(
        root, PlainRuntime(), unheard, Limits(open_cache=most, open_idle_s=30, lock_timeout_s=wait), clock
    )


def descriptors(root: Path) -> list[str]:
    """The files below `root` that this process has open."""
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return [target for link in links if os.path.islink(link) and (target := os.readlink(link)).startswith(str(root))]


def test_a_new_file_is_for_this_user_only_and_complete(tmp_path: Path, clock: Clock) -> None:
    old = os.umask(0)
    try:
        opened(tmp_path / "store", clock).account(ALICE).ensure()
    finally:
        os.umask(old)
    path = database_path(tmp_path / "store", ALICE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert sorted(found.name for found in path.parent.iterdir()) == [".lock", path.name]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert version(connection) == LATEST
    connection.close()


def test_files_beside_the_database_are_for_this_user_only(tmp_path: Path, clock: Clock) -> None:
    old = os.umask(0)
    try:
        store = opened(tmp_path, clock)
        account = store.account(ALICE)
        account.ensure()
        fill(account, account.mailbox(INBOX).id, 1)
        with account.lock_maildrop():
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")}
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}
    assert len(modes) == 5
    store.close()


def test_a_file_left_half_made_does_no_harm(tmp_path: Path, clock: Clock) -> None:
    path = database_path(tmp_path, ALICE)
    path.parent.mkdir(parents=True)
    for suffix in ("", "-wal", "-journal"):
        (path.parent / f".{path.name}.new{suffix}").write_bytes(b"half")
    store = opened(tmp_path, clock)
    assert list(store.accounts()) == []
    store.account(ALICE).ensure()
    assert list(store.accounts()) == [ALICE]
    assert list(store.check(ALICE)) == []


def test_the_wal_of_a_file_that_somebody_took_away_does_not_get_into_a_new_one(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock)
    account = store.account(ALICE)
    account.ensure()
    fill(account, account.mailbox(INBOX).id, 3)
    path = database_path(tmp_path, ALICE)
    wal = Path(f"{path}-wal").read_bytes()
    store.close()
    path.unlink()
    Path(f"{path}-wal").write_bytes(wal)
    store = opened(tmp_path, clock)
    account = store.account(ALICE)
    account.ensure()
    assert account.usage().messages == 0
    assert list(store.check(ALICE)) == []
    store.close()


def test_a_commit_is_synced(tmp_path: Path, clock: Clock) -> None:
    opened(tmp_path, clock).account(ALICE).ensure()
    writer = open_writer(database_path(tmp_path, ALICE), 1)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert writer.execute("PRAGMA busy_timeout").fetchone() == (1000,)
    reader = open_reader(database_path(tmp_path, ALICE))
    assert reader.execute("PRAGMA busy_timeout").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM mailbox")
    reader.close()
    writer.close()


def test_only_so_many_accounts_are_open_and_idle_ones_are_closed(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock, most=3)
    for number in range(6):
        account = store.account(f"user{number}")
        account.ensure()
        fill(account, account.mailbox(INBOX).id, 1)
        assert len(descriptors(tmp_path)) <= 3 * DESCRIPTORS_PER_ACCOUNT + 2 * (number >= 3)
    held = [target for target in descriptors(tmp_path) if "user5" in target]
    assert len(held) == DESCRIPTORS_PER_ACCOUNT
    clock.seconds += 29
    store.account("user5").mailbox(INBOX)
    clock.seconds += 1
    store.idle()
    assert {Path(target).name.partition(".")[0] for target in descriptors(tmp_path)} == {"user5"}
    clock.seconds += 29
    store.idle()
    assert descriptors(tmp_path) == []
    assert not list(tmp_path.glob("*/*-wal"))
    assert store.account("user0").mailbox(INBOX).messages == 1
    store.close()
    assert descriptors(tmp_path) == []


def test_holding_an_account_opens_nothing(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock)
    store.account(ALICE).ensure()
    store.close()
    accounts = [store.account(ALICE), store.account("bob")]
    assert accounts[0].exists()
    assert descriptors(tmp_path) == []


def test_reading_never_waits_for_a_writer(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock, wait=0.05)
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    fill(account, inbox, 1)
    blocker = open_writer(database_path(tmp_path, ALICE), 1)
    blocker.execute("BEGIN IMMEDIATE")
    blocker.execute("UPDATE mailbox SET messages = 99")
    assert account.mailbox(INBOX).messages == 1
    with pytest.raises(StoreUnavailable):
        account.append(inbox, [new()])
    blocker.execute("ROLLBACK")
    blocker.close()
    assert account.append(inbox, [new()]).uids == [2]
    store.close()


class CountingRuntime(PlainRuntime):
    """Counts what is offloaded."""

    def __init__(self) -> None:
        self.offloaded = 0

    def offload(self, work):  # type: ignore[no-untyped-def]
        self.offloaded += 1
        return work()


def test_reads_stay_where_they_are_and_writes_go_to_native_threads(tmp_path: Path, clock: Clock) -> None:
    runtime = CountingRuntime()
    store = open_store(tmp_path, runtime, unheard, now=clock)
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    fill(account, inbox, 3)
    counted = runtime.offloaded
    account.snapshot(inbox)
    account.changes(inbox, 0)
    account.mailboxes()
    account.read(inbox, 1, 0, 10)
    assert account.claim_recent(inbox, 1) == 1
    assert runtime.offloaded == counted
    account.append(inbox, [new()])
    assert runtime.offloaded == counted + 1
    account.append(inbox, [new(size=100_000)])
    assert runtime.offloaded == counted + 3
    store.close()


def test_a_database_that_is_busy_being_recovered_is_read_in_a_native_thread(tmp_path: Path, clock: Clock) -> None:
    runtime = CountingRuntime()
    store = open_store(tmp_path, runtime, unheard, Limits(lock_timeout_s=0.05), clock)
    store.account(ALICE).ensure()
    exclusive = sqlite3.connect(database_path(tmp_path, ALICE), isolation_level=None)
    exclusive.execute("PRAGMA locking_mode = EXCLUSIVE")
    exclusive.execute("BEGIN IMMEDIATE")
    before = runtime.offloaded
    with pytest.raises(StoreUnavailable):
        store.account(ALICE).mailbox(INBOX)
    assert runtime.offloaded == before + 1
    exclusive.close()
    assert store.account(ALICE).mailbox(INBOX).messages == 0
    store.close()


# Versions


def test_an_older_file_is_brought_up_to_date_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    scripts = ["CREATE TABLE a (x); INSERT INTO a VALUES (1)", "CREATE TABLE b (y)", "INSERT INTO b SELECT x FROM a"]
    for upto in (1, 1, 3):
        connection = sqlite3.connect(path, isolation_level=None)
        migrate(connection, scripts[:upto])
        assert version(connection) == upto
        connection.close()
    connection = sqlite3.connect(path, isolation_level=None)
    assert connection.execute("SELECT y FROM b").fetchall() == [(1,)]
    with pytest.raises(StoreUnavailable, match="newer"):
        migrate(connection, scripts[:2])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*scripts, "CREATE TABLE c (z)", "nonsense"])
    assert version(connection) == 3
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'c'").fetchall()
    connection.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock)
    store.account(ALICE).ensure()
    connection = sqlite3.connect(database_path(tmp_path, ALICE), isolation_level=None)
    connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    connection.close()
    with pytest.raises(StoreUnavailable, match="newer"):
        store.account(ALICE).mailbox(INBOX)
    store.close()


# Errors


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreFull),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable),
        (sqlite3.SQLITE_BUSY, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_RECOVERY, StoreUnavailable),
        (sqlite3.SQLITE_LOCKED, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
        (sqlite3.SQLITE_READONLY, StoreUnavailable),
        (sqlite3.SQLITE_CORRUPT, StoreCorrupt),
        (sqlite3.SQLITE_NOTADB, StoreCorrupt),
        (sqlite3.SQLITE_ERROR, StoreCorrupt),
    ],
)
def test_sqlites_errors_in_the_models_words(code: int, expected: type[Exception]) -> None:
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code
    made = translate(error, Path("/somewhere/x.db"))
    assert type(made) is expected
    assert "/somewhere/x.db" in str(made)
    assert "why" in str(made)


@pytest.mark.parametrize(("number", "expected"), [(28, StoreFull), (122, StoreFull), (13, StoreUnavailable)])
def test_the_systems_errors_in_the_models_words(number: int, expected: type[Exception]) -> None:
    assert type(translate_os(OSError(number, "why"), Path("x"))) is expected


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").touch()
    store = opened(tmp_path / "file" / "below", clock)
    with pytest.raises(StoreUnavailable):
        store.account(ALICE).ensure()
    with pytest.raises(StoreUnavailable), store.account(ALICE).lock_maildrop():
        pass
    assert list(store.accounts()) == []
    with pytest.raises(NoSuchAccount):
        store.remove_account(ALICE)


# Settings


def test_each_limit_is_its_setting() -> None:
    assert limits(Config({})) == Limits()
    changed = {
        "store.maxmailboxes": 11,
        "store.maxnamelength": 33,
        "store.maxhierarchydepth": 3,
        "store.expungedhorizon": 7,
        "store.opencache": 2,
        "store.openidle": 5,
        "store.locktimeout": 4,
        "store.journalsize": 6,
    }
    assert limits(Config(changed)) == Limits(11, 33, 3, 7, 2, 5, 4, 6 << 20)
    assert {setting.name for setting in SECTION.settings} == {
        *changed,
        store_settings.PRIMARY_PATH.name,
        store_settings.DEFAULT_PARTITION.name,
    }


# Space


def test_a_file_that_is_mostly_unused_is_shortened_once_nobody_uses_it(tmp_path: Path, clock: Clock) -> None:
    store = opened(tmp_path, clock)
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    path = database_path(tmp_path, ALICE)
    account.append(inbox, [new(size=12_000_000), new("kept")])
    store.close()
    full = path.stat().st_size
    account.expunge(inbox, uids(1), only_deleted=False)
    store.close()
    assert path.stat().st_size < full / 4
    assert [row[0] for row in fetch(account, inbox, Field.TEXT)] == [2]
    assert list(store.check(ALICE)) == []
    store.close()
