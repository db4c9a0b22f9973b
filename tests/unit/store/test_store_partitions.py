"""Partitions: accounts are made where they are told to be, found where they are, and moved while they are used."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmsd.model.errors import MaildropInUse, NoSuchAccount, UnknownPartition
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Instant, NewMessage
from nmsd.store.api import Store
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.partitions import Partitions

ALICE = "alice@example.com"
LETTER = NewMessage(b"Subject: hello\r\n\r\nhello\r\n", Instant(1_700_000_000, 0))


def open_here(place: Path, default: str = "primary") -> Store:
    """A store with two partitions."""
    roots = {"primary": place / "store", "archive": place / "archive"}
    return open_store(roots["primary"], PlainRuntime(), unheard, partitions=Partitions(roots, default))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_here(tmp_path)
    yield made
    made.close()


def files(place: Path) -> list[str]:
    """The accounts' files below a place."""
    return sorted(path.name for path in place.rglob("*.db"))


def append(store: Store) -> None:
    """A letter into ALICE's INBOX."""
    account = store.account(ALICE)
    account.append(account.mailbox(INBOX).id, (LETTER,))


def test_an_account_is_made_in_the_partition_that_is_named_in_any_case(store: Store, tmp_path: Path) -> None:
    store.account(ALICE).ensure(partition="Archive")
    assert store.account(ALICE).partition() == "archive"
    assert files(tmp_path / "archive") == [ALICE + ".db"]
    assert files(tmp_path / "store") == []
    assert store.partitions() == ("primary", "archive")
    assert list(store.accounts()) == [ALICE]


def test_an_account_without_a_partition_is_made_in_the_default_one(tmp_path: Path) -> None:
    store = open_here(tmp_path, "archive")
    store.account(ALICE).ensure()
    store.account("bob@example.com").ensure(partition="primary")
    assert files(tmp_path / "archive") == [ALICE + ".db"]
    assert files(tmp_path / "store") == ["bob@example.com.db"]
    store.close()


def test_an_unknown_partition_is_no_guess(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownPartition, match=r"store\.partition\.fast\.path"):
        store.account(ALICE).ensure(partition="fast")
    assert not store.account(ALICE).exists()
    assert files(tmp_path) == []


def test_an_account_that_exists_is_found_where_it_is(store: Store, tmp_path: Path) -> None:
    held = store.account(ALICE)
    other = open_here(tmp_path)
    other.account(ALICE).ensure(partition="archive")
    append(other)
    assert store.account(ALICE).usage().messages == 1
    held.ensure(partition="primary")
    assert held.partition() == "archive"
    assert held.usage().messages == 1
    assert files(tmp_path / "store") == []
    store.remove_account(ALICE)
    assert files(tmp_path) == []
    other.close()


def test_two_who_make_the_same_account_in_two_partitions_make_one(tmp_path: Path) -> None:
    stores = [open_here(tmp_path) for _ in range(8)]
    start = threading.Barrier(len(stores))

    def make(number: int) -> None:
        account = stores[number].account(ALICE)
        start.wait()
        account.ensure(partition=("primary", "archive")[number % 2])

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(tmp_path) == [ALICE + ".db"]
    assert len({store.account(ALICE).partition() for store in stores}) == 1
    for store in stores:
        store.close()


def test_an_account_is_moved_with_all_it_holds_while_others_use_it(store: Store, tmp_path: Path) -> None:
    store.account(ALICE).ensure()
    append(store)
    other = open_here(tmp_path)
    held = other.account(ALICE)
    inbox = held.mailbox(INBOX)
    store.move_account(ALICE, "archive")
    assert files(tmp_path / "store") == []
    assert store.account(ALICE).partition() == "archive"
    assert held.mailbox(INBOX) == inbox
    append(other)
    append(store)
    assert held.usage().messages == 3
    assert [rows for name in store.accounts() for rows in store.check(name)] == []
    store.move_account(ALICE, "archive")  # is there already
    other.close()


def test_what_an_interrupted_move_left_behind_does_not_get_into_the_account(store: Store, tmp_path: Path) -> None:
    store.account(ALICE).ensure()
    append(store)
    (path,) = (tmp_path / "store").rglob("*.db")
    left = tmp_path / "archive" / path.relative_to(tmp_path / "store")
    left.parent.mkdir(parents=True)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    append(store)
    store.move_account(ALICE, "archive")
    account = store.account(ALICE)
    assert (account.partition(), account.usage().messages) == ("archive", 2)
    assert list(store.check(ALICE)) == []


def test_a_move_needs_an_account_and_a_partition_and_no_open_maildrop(store: Store) -> None:
    with pytest.raises(NoSuchAccount):
        store.move_account(ALICE, "archive")
    store.account(ALICE).ensure()
    with pytest.raises(UnknownPartition):
        store.move_account(ALICE, "fast")
    with store.account(ALICE).lock_maildrop(), pytest.raises(MaildropInUse):
        store.move_account(ALICE, "archive")
    assert store.account(ALICE).partition() == "primary"
