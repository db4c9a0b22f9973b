"""The journal: what a power failure takes out of the accounts' files comes back from it, once and in order."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.errors import NoSuchMailbox
from nmsd.model.flags import FLAGGED, SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field, Instant, NewMessage
from nmsd.store.api import Account, FlagChange, Store
from nmsd.store.runtime import PlainRuntime, unheard
from nmsd.store.sqlite.account import SqliteAccount
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.journal import DIRECTORY, open_journal, records
from nmsd.store.sqlite.paths import database_path
from nmsd.store.sqlite.redo import Redo, RedoMessage, in_order, pack, unpack
from nmsd.store.sqlite.settings import Limits
from tests.contract.store_messages import fetch, new, uids

ALICE = "alice@example.com"
BOB = "bob@example.com"


class CountingRuntime(PlainRuntime):
    """Counts how often a native thread would have been needed to end a commit."""

    def __init__(self) -> None:
        self.finished = 0

    def finish(self, work: Any) -> Any:
        self.finished += 1
        return work()


@contextmanager
def opened(
    place: Path, journal: bool = True, size: int = 1 << 20, runtime: PlainRuntime | None = None
) -> Iterator[Store]:
    store = open_store(
        place, runtime or PlainRuntime(), unheard, Limits(journal_size=size), lambda: 1_700_000_000, journal=journal
    )
    try:
        yield store
    finally:
        store.close()


@dataclass
class Disk:
    """A store's directory, and what of its WALs was on the disk at some moment."""

    place: Path

    def wal(self, name: str) -> Path:
        return Path(f"{database_path(self.place, name)}-wal")

    def after_power_failure(self, target: Path, **wals: bytes) -> Path:
        """A copy as it is found after the power came back: the journal is there, of the WALs what is given."""
        shutil.copytree(self.place, target)
        for path in target.rglob("*-shm"):
            path.unlink()
        for name, content in wals.items():
            Path(f"{database_path(target, f'{name}@example.com')}-wal").write_bytes(content)
        return target


def made(store: Store, name: str) -> tuple[Account, int]:
    """An account, all of which is on the disk."""
    account = store.account(name)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    account.append(inbox, [new("first")])
    account.store_flags(inbox, uids(1), FlagChange.ADD, SEEN)  # which syncs what was before, too
    return account, inbox


def all_of(account: Account) -> list[tuple[Any, ...]]:
    inbox = account.mailbox(INBOX)
    fields = (
        Field.FLAGS,
        Field.MODSEQ,
        Field.INTERNAL_DATE,
        Field.EMAIL_ID,
        Field.SAVE_EPOCH,
        Field.HEADER,
        Field.TEXT,
    )
    return [(inbox.uidvalidity, inbox.uidnext, inbox.modseq, inbox.keywords), *fetch(account, inbox.id, *fields)]


def test_what_was_acknowledged_comes_back_as_it_was(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        account, inbox = made(store, ALICE)
        before = disk.wal(ALICE).read_bytes()
        message = NewMessage(new("second").data, Instant(1_600_000_000, -90), SEEN | FLAGGED, ("$Work", "Later"))
        account.append(inbox, [message, new("third")])
        account.append(inbox, [new("fourth")])
        here = all_of(account)
        there = disk.after_power_failure(tmp_path / "after", alice=before)
    with opened(there, journal=False) as store:
        assert all_of(store.account(ALICE)) == here
        assert list(store.check(ALICE)) == []
        assert store.account(ALICE).append(inbox, [new()]).uids == [5]


def test_without_the_journal_it_would_be_lost(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        account, inbox = made(store, ALICE)
        before = disk.wal(ALICE).read_bytes()
        account.append(inbox, [new("second")])
        there = disk.after_power_failure(tmp_path / "after", alice=before)
    shutil.rmtree(there / DIRECTORY)
    with opened(there) as store:
        assert store.account(ALICE).mailbox(INBOX).messages == 1


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.99, 1.0])
def test_whatever_part_of_the_wal_reached_the_disk_nothing_is_lost_or_doubled(tmp_path: Path, share: float) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        account, inbox = made(store, ALICE)
        before = disk.wal(ALICE).read_bytes()
        for number in range(8):
            account.append(inbox, [new(str(number), size=3000)])
        here = all_of(account)
        after = disk.wal(ALICE).read_bytes()
        cut = len(before) + int((len(after) - len(before)) * share)
        there = disk.after_power_failure(tmp_path / "after", alice=after[:cut] + bytes(len(after) - cut))
    with opened(there) as store:
        assert all_of(store.account(ALICE)) == here
        assert list(store.check(ALICE)) == []


def test_changes_that_follow_an_append_hold(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        account, inbox = made(store, ALICE)
        account.append(inbox, [new("second"), new("third")])
        account.expunge(inbox, uids(2), only_deleted=False)
        synced = disk.wal(ALICE).read_bytes()
        account.append(inbox, [new("fourth")])
        here = all_of(account)
        there = disk.after_power_failure(tmp_path / "after", alice=synced)
    with opened(there) as store:
        assert all_of(store.account(ALICE)) == here


def test_a_record_cut_short_counts_for_nothing_and_those_before_it_hold(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        account, inbox = made(store, ALICE)
        before = disk.wal(ALICE).read_bytes()
        account.append(inbox, [new("second")])
        account.append(inbox, [new("third")])
        there = disk.after_power_failure(tmp_path / "after", alice=before)
    journal = there / DIRECTORY / "0"
    journal.write_bytes(journal.read_bytes()[:-5])
    with opened(there) as store:
        assert store.account(ALICE).mailbox(INBOX).messages == 2
        assert list(store.check(ALICE)) == []


def test_the_journals_of_several_processes_are_replayed_together(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as one, opened(disk.place) as two:
        account, inbox = made(one, ALICE)
        two.account(ALICE).append(inbox, [new("opens the writer")])
        before = disk.wal(ALICE).read_bytes()
        for number in range(6):
            (one, two)[number % 2].account(ALICE).append(inbox, [new(str(number))])
        here = all_of(account)
        there = disk.after_power_failure(tmp_path / "after", alice=before)
        assert sorted(path.name for path in (there / DIRECTORY).iterdir()) == [".lock", "0", "1"]
    with opened(there) as store:
        assert all_of(store.account(ALICE)) == here


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        account, inbox = made(store, ALICE)
        account.append(inbox, [new("second")])
        kept = (tmp_path / DIRECTORY / "0").read_bytes()
        assert len(list(records(kept))) == 1
        with opened(tmp_path, journal=False):
            pass
        assert (tmp_path / DIRECTORY / "0").read_bytes() == kept
    assert (tmp_path / DIRECTORY / "0").read_bytes() == b""


def test_what_was_deleted_since_stays_deleted(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        alice, _ = made(store, ALICE)
        box = alice.create("Box").id
        made(store, BOB)
        alice.append(box, [new("in a box")])
        bob = store.account(BOB)
        bob.append(bob.mailbox(INBOX).id, [new("for bob")])
        there = disk.after_power_failure(tmp_path / "after")
    with opened(there, journal=False) as store:
        pass  # what is there is synced; the journals are put back below
    shutil.rmtree(there / DIRECTORY)
    shutil.copytree(tmp_path / "store" / DIRECTORY, there / DIRECTORY, dirs_exist_ok=True)
    with opened(there, journal=False) as store:
        store.account(ALICE).delete("Box")
        store.remove_account(BOB)
    with opened(there) as store:
        with pytest.raises(NoSuchMailbox):
            store.account(ALICE).mailbox("Box")
        assert list(store.accounts()) == [ALICE]


def test_a_full_journal_begins_anew_and_still_protects(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place, size=100_000) as store:
        account, inbox = made(store, ALICE)
        for number in range(60):
            account.append(inbox, [new(str(number), size=5000)])
        assert (disk.place / DIRECTORY / "0").stat().st_size <= 100_000
        here = all_of(account)
        there = disk.after_power_failure(tmp_path / "after")
    with opened(there) as store:
        assert all_of(store.account(ALICE)) == here


def test_a_message_that_does_not_fit_goes_its_own_way(tmp_path: Path) -> None:
    with opened(tmp_path, size=20_000) as store:
        account, inbox = made(store, ALICE)
        account.append(inbox, [new(size=40_000)])
        assert (tmp_path / DIRECTORY / "0").stat().st_size == 0
        account.append(inbox, [new(size=1000)])
        assert (tmp_path / DIRECTORY / "0").stat().st_size > 0
        assert account.mailbox(INBOX).messages == 3


def test_so_many_accounts_share_a_journal_and_no_more(tmp_path: Path) -> None:
    runtime = CountingRuntime()
    with opened(tmp_path, runtime=runtime) as store:
        for number in range(66):
            account, inbox = made(store, f"user{number}@example.com")
            account.append(inbox, [new(str(number))])
        data = (tmp_path / DIRECTORY / "0").read_bytes()
        assert len({unpack(record)[0] for _, record in records(data)}) == 64


def test_a_write_that_changes_nothing_syncs_nothing(tmp_path: Path) -> None:
    """So the journal goes on to protect what was appended before."""
    with opened(tmp_path) as store:
        for number in range(64):
            account, inbox = made(store, f"user{number}@example.com")
            account.append(inbox, [new(str(number))])
        account.store_flags(inbox, uids(1), FlagChange.ADD, SEEN)
        with pytest.raises(NoSuchMailbox):
            account.delete("Nowhere")
        another, inbox = made(store, ALICE)
        another.append(inbox, [new()])
        protected = {unpack(record)[0] for _, record in records((tmp_path / DIRECTORY / "0").read_bytes())}
        assert ALICE not in protected, "there was room for it only if one of the others is protected no more"


def test_what_cannot_be_restored_is_kept_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path / "store")
    with opened(disk.place) as store:
        alice, inbox = made(store, ALICE)
        bob, bobs = made(store, BOB)
        wals = {name: disk.wal(f"{name}@example.com").read_bytes() for name in ("alice", "bob")}
        alice.append(inbox, [new("for alice")])
        bob.append(bobs, [new("for bob")])
        there = disk.after_power_failure(tmp_path / "after", **wals)
    database_path(there, ALICE).write_bytes(b"this is no database" * 1000)
    Path(f"{database_path(there, ALICE)}-wal").unlink()
    with caplog.at_level(logging.WARNING), opened(there) as store:
        assert store.account(BOB).mailbox(INBOX).messages == 2
    assert "messages of alice@example.com cannot be restored" in caplog.text
    (kept,) = (there / DIRECTORY).glob("kept-*")
    assert len(list(records(kept.read_bytes()))) == 2


def test_one_sync_serves_all_accounts(tmp_path: Path) -> None:
    runtime = CountingRuntime()
    with opened(tmp_path, runtime=runtime) as store:
        account, inbox = made(store, ALICE)
        before = runtime.finished
        for _ in range(5):
            account.append(inbox, [new()])
        assert runtime.finished == before + 5  # the journal's; a commit of its own would be another
        account.store_flags(inbox, uids(1), FlagChange.ADD, FLAGGED)
        assert runtime.finished == before + 6


def test_whoever_still_writes_when_the_journal_is_closed_writes_to_it_and_to_nothing_else(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, 1 << 20, PlainRuntime(), lambda found: True)
    assert journal.admit(ALICE, tmp_path / "alice", 100)
    journal.close()
    assert not journal.admit(BOB, tmp_path / "bob", 100)
    with open(tmp_path / "another", "xb"):  # it would get the descriptor
        journal.write([b"record"])
    journal.finished(100)
    assert (tmp_path / "another").read_bytes() == b""
    assert [record for _, record in records((tmp_path / DIRECTORY / "0").read_bytes())] == [b"record"]


appends = st.builds(
    Redo,
    st.integers(1, 3),
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**62),
    st.integers(0, 2**40),
    st.lists(
        st.builds(
            RedoMessage,
            st.integers(1, 2**32 - 1),
            st.text("M0123456789abcdef", min_size=1),
            st.builds(
                NewMessage,
                st.binary(max_size=300),
                st.builds(Instant, st.integers(-(2**40), 2**40), st.integers(-1439, 1439)),
                st.integers(0, 255),
                st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)).map(tuple),
            ),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@given(st.text(min_size=1).filter(lambda text: text.isprintable()), st.lists(appends, max_size=3))
def test_a_record_reads_as_it_was_written(account: str, told: list[Redo]) -> None:
    found, again = unpack(b"".join(pack(account, told)))
    assert found == account
    assert [(each.mailbox_id, each.modseq, tuple(each.messages)) for each in again] == [
        (each.mailbox_id, each.modseq, tuple(each.messages)) for each in told
    ]


@given(st.binary(max_size=200))
def test_rubbish_holds_no_records(data: bytes) -> None:
    assert list(records(data)) == []


def test_of_two_that_gave_one_uid_the_later_holds() -> None:
    def record(subject: str) -> bytes:
        message = RedoMessage(7, f"M{subject}", new(subject))
        return b"".join(pack(ALICE, [Redo(1, 1, 9, 0, (message,))]))

    ((account, found),) = in_order([(20, record("late")), (10, record("early"))])
    assert account == ALICE
    assert [one.email_id for redo in found for one in redo.messages] == ["Mlate"]


def messages_of(subjects: dict[int, str]) -> tuple[RedoMessage, ...]:
    return tuple(RedoMessage(uid, f"M{subject}", new(subject)) for uid, subject in subjects.items())


def test_an_append_that_was_undone_after_its_record_was_written_takes_none_away_that_followed() -> None:
    def record(mailbox: int, subjects: dict[int, str]) -> bytes:
        return b"".join(pack(ALICE, [Redo(mailbox, 1, 9, 0, messages_of(subjects))]))

    undone = record(1, {7: "undone7", 8: "undone8", 9: "undone9"})
    ((_, found),) = in_order(
        [(10, undone), (15, record(2, {8: "other"})), (20, record(1, {7: "seven"})), (30, record(1, {8: "eight"}))]
    )
    assert [one.email_id for redo in found for one in redo.messages] == ["Mother", "Mseven", "Meight"]


def test_an_append_that_was_undone_and_is_done_after_all_is_a_new_change(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        account, inbox = made(store, ALICE)
        known = account.mailbox(INBOX)
        undone = Redo(inbox, known.uidvalidity, known.modseq - 1, 0, messages_of({known.uidnext: "undone"}))
        assert isinstance(account, SqliteAccount)
        account.append_again([undone])
        assert [uid for uid, _, _ in account.changes(inbox, known.modseq).flags] == [known.uidnext]
