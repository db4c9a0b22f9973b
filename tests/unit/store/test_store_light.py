"""Light writes: run where the caller is, but for the commit; and when they are run in a native thread after all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from nmsd.model.errors import OverQuota, StoreUnavailable
from nmsd.model.flags import SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Quota
from nmsd.model.uidset import UidSet
from nmsd.store.api import FlagChange, Store
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.paths import database_path
from nmsd.store.sqlite.settings import Limits
from tests.contract.store_engines import Clock
from tests.contract.store_messages import new, uids

ALICE = "alice@example.com"

T = TypeVar("T")


class NotingRuntime(PlainRuntime):
    """Notes what is asked of it; calls `before_offload` first."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.before_offload: Callable[[], object] = lambda: None

    def offload(self, work: Callable[[], T]) -> T:
        self.asked.append("offload")
        self.before_offload()
        return work()

    def finish(self, work: Callable[[], T]) -> T:
        self.asked.append("finish")
        return work()

    def taken(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def runtime() -> NotingRuntime:
    return NotingRuntime()


@pytest.fixture
def store(tmp_path: Path, runtime: NotingRuntime) -> Iterator[Store]:
    """A store with an account whose writer is open and whose INBOX has two messages."""
    store = open_store(tmp_path, runtime, unheard, Limits(lock_timeout_s=0.05), Clock())
    account = store.account(ALICE)
    account.ensure()
    account.append(account.mailbox(INBOX).id, [new(), new()])
    runtime.taken()
    yield store
    store.close()


@pytest.fixture
def other(tmp_path: Path, store: Store) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    connection = sqlite3.connect(database_path(tmp_path, ALICE), isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def test_of_a_light_write_only_the_commit_is_left_to_a_native_thread(store: Store, runtime: NotingRuntime) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX).id
    account.append(inbox, [new()])
    account.store_flags(inbox, uids(1), FlagChange.ADD, SEEN)
    account.claim_recent(inbox, 4)
    account.subscribe("x", True)
    assert runtime.taken() == ["finish"] * 4
    account.create("x")
    assert runtime.taken() == ["offload"]


def test_a_write_is_light_up_to_128_messages(store: Store, runtime: NotingRuntime) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX).id
    account.store_flags(inbox, UidSet([(1, 128)]), FlagChange.ADD, SEEN)
    assert runtime.taken() == ["finish"]
    account.store_flags(inbox, UidSet([(1, 129)]), FlagChange.REMOVE, SEEN)
    assert runtime.taken() == ["offload"]


def test_a_light_write_that_changes_nothing_asks_no_native_thread(store: Store, runtime: NotingRuntime) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX)
    account.store_flags(inbox.id, uids(1), FlagChange.REMOVE, SEEN)
    assert runtime.taken() == []
    assert account.mailbox(INBOX) == inbox


def test_a_light_write_that_fails_alone_leaves_no_trace(store: Store, runtime: NotingRuntime) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX)
    with pytest.raises(OverQuota):
        account.append(inbox.id, [new()], Quota(messages=2))
    assert account.mailbox(INBOX) == inbox
    assert account.append(inbox.id, [new()], Quota(messages=3)).uids == [3]
    assert runtime.taken() == ["finish"]
    assert list(store.check(ALICE)) == []


def test_a_light_write_waits_in_a_native_thread_for_another_process(
    store: Store, runtime: NotingRuntime, other: sqlite3.Connection
) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX).id
    other.execute("BEGIN IMMEDIATE")
    runtime.before_offload = lambda: other.in_transaction and other.execute("COMMIT")
    assert account.append(inbox, [new()]).uids == [3]
    runtime.before_offload = lambda: None
    assert runtime.taken() == ["offload"]
    assert account.append(inbox, [new()]).uids == [4]
    assert runtime.taken() == ["finish"]


def test_a_light_write_gives_up_when_another_process_keeps_the_lock(store: Store, other: sqlite3.Connection) -> None:
    account = store.account(ALICE)
    inbox = account.mailbox(INBOX).id
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            account.append(inbox, [new()])
    other.execute("COMMIT")
    assert account.append(inbox, [new()]).uids == [3]
