"""Many writers at once: in threads, in greenlets, in several processes' worth of stores."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gevent
import pytest
from gevent import GreenletExit
from gevent.event import Event

from nmsd.model.errors import MailboxExists, OverQuota
from nmsd.model.flags import FLAGGED, SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field, Quota
from nmsd.store.api import Account, FlagChange
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_messages import EVERYTHING, fetch, new, uids
from tests.contract.store_runtimes import GatedRuntime, GreenletRuntime

WRITERS = 16
EACH = 20


def subjects(account: Account, mailbox_id: int) -> list[bytes]:
    return [row[1].split(b"\r\n")[2] for row in fetch(account, mailbox_id, Field.HEADER)]


def in_threads(works: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("stores", [1, 2, 4])
def test_appends_of_many_threads_are_all_there_in_each_ones_order(bench: Workbench, stores: int) -> None:
    accounts = [bench.open().account(ALICE) for _ in range(stores)]
    accounts[0].ensure()
    inbox = accounts[0].mailbox(INBOX).id
    given: dict[int, list[int]] = {}

    def append(writer: int) -> None:
        account = accounts[writer % stores]
        given[writer] = []
        for number in range(EACH):
            given[writer] += account.append(inbox, [new(f"{writer}-{number}")]).uids

    in_threads([lambda writer=writer: append(writer) for writer in range(WRITERS)])  # type: ignore[misc]
    where = dict(zip(accounts[-1].uids(inbox), subjects(accounts[-1], inbox)))
    for writer, uids_given in given.items():
        assert uids_given == sorted(uids_given)
        assert [where[uid] for uid in uids_given] == [b"Subject: %d-%d" % (writer, number) for number in range(EACH)]
    assert len(where) == WRITERS * EACH == accounts[0].mailbox(INBOX).messages
    assert list(bench.stores[0].check(ALICE)) == []


def test_appends_of_many_greenlets_are_all_there(bench: Workbench) -> None:
    store = bench.open(runtime=GreenletRuntime())
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id

    def append(writer: int) -> list[int]:
        return [account.append(inbox, [new(f"{writer}-{number}")]).uids[0] for number in range(EACH)]

    greenlets = [gevent.spawn(append, writer) for writer in range(WRITERS)]
    gevent.joinall(greenlets, raise_error=True)
    given = [uid for greenlet in greenlets for uid in greenlet.value]
    assert sorted(given) == list(range(1, WRITERS * EACH + 1)) == list(account.uids(inbox))
    assert [modseq for _, _, modseq in bench.announced] == sorted(modseq for _, _, modseq in bench.announced)
    assert bench.announced[-1] == (ALICE, inbox, account.mailbox(INBOX).modseq)
    assert list(store.check(ALICE)) == []


def test_reads_and_writes_of_many_threads_at_once(bench: Workbench) -> None:
    account = bench.open().account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    target = account.create("target").id
    account.append(inbox, [new(str(number)) for number in range(200)])

    def read() -> None:
        for _ in range(30):
            mailbox, there, _ = account.snapshot(inbox)
            assert mailbox.messages == len(there)
            assert {row[0] for row in fetch(account, inbox, Field.TEXT)} <= set(range(1, 10_000))
            account.changes(inbox, 0)

    def write() -> None:
        for number in range(30):
            account.store_flags(inbox, EVERYTHING, FlagChange.ADD if number % 2 else FlagChange.REMOVE, SEEN)
            account.append(inbox, [new()])

    def move() -> None:
        for number in range(30):
            account.move(inbox, uids(number * 3 + 1), target)
            account.copy(target, uids(number + 1), inbox)
            account.expunge(inbox, uids(number * 3 + 2), only_deleted=False)

    in_threads([read, read, write, move])
    assert account.usage().messages == 200 + 30 + 30 - 30
    assert list(bench.stores[0].check(ALICE)) == []


def test_a_failure_in_a_shared_commit_is_the_failing_ones_alone(bench: Workbench) -> None:
    runtime = GatedRuntime()
    account = bench.open(runtime=runtime).account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    outcomes: dict[str, object] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        try:
            outcomes[name] = work()
        except Exception as error:
            outcomes[name] = type(error)

    works: dict[str, Callable[[], object]] = {
        "first": lambda: account.append(inbox, [new("first")]).uids,
        "too many": lambda: account.append(inbox, [new("a"), new("b")], Quota(messages=2)).uids,
        "exists": lambda: account.create("Sent"),
        "half": lambda: account.rename("Sent", "x/y/INBOX\0"),
        "flags": lambda: account.store_flags(inbox, uids(1), FlagChange.ADD, FLAGGED).changed,
        "last": lambda: account.append(inbox, [new("last")], Quota(messages=2)).uids,
    }
    runtime.gate.clear()
    while runtime.waiting.acquire(blocking=False):
        pass
    threads = []
    for name, work in works.items():
        threads.append(threading.Thread(target=note, args=(name, work)))
        threads[-1].start()
        # The first one is at the gate, the others queue behind it in this order.
        (runtime.queued if len(threads) > 1 else runtime.waiting).acquire()
    runtime.gate.set()
    for thread in threads:
        thread.join()
    assert outcomes.pop("half").__name__ == "InvalidName"  # type: ignore[attr-defined]
    assert outcomes == {
        "first": [1],
        "too many": OverQuota,
        "exists": MailboxExists,
        "flags": [(1, FLAGGED)],
        "last": [2],
    }
    assert subjects(account, inbox) == [b"Subject: first", b"Subject: last"]
    assert list(bench.stores[0].check(ALICE)) == []


class HeldRuntime(GreenletRuntime):
    """Holds the next native work, once told to, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = False
        self.held = Event()
        self.let_go = threading.Event()

    def offload(self, work):  # type: ignore[no-untyped-def]
        if not self.hold:
            return super().offload(work)
        self.hold = False
        self.held.set()

        def later():  # type: ignore[no-untyped-def]
            self.let_go.wait()
            return work()

        return super().offload(later)


def test_a_killed_leader_leaves_the_others_and_the_store_in_order(bench: Workbench) -> None:
    runtime = HeldRuntime()
    store = bench.open(runtime=runtime)
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    runtime.hold = True
    leader = gevent.spawn(account.append, inbox, [new("leader")])
    runtime.held.wait()
    others = [gevent.spawn(account.append, inbox, [new(f"other {number}")]) for number in range(3)]
    gevent.sleep(0)
    leader.kill(block=False)
    others[0].kill(block=False)
    gevent.sleep(0)
    runtime.let_go.set()
    gevent.joinall([leader, *others])
    assert isinstance(leader.value, GreenletExit)
    assert isinstance(others[0].value, GreenletExit)
    assert [greenlet.value.uids for greenlet in others[1:]] == [[2], [3]]
    assert subjects(account, inbox) == [b"Subject: leader", b"Subject: other 1", b"Subject: other 2"]
    assert account.append(inbox, [new()]).uids == [4]
    assert [modseq for _, _, modseq in bench.announced] == sorted({modseq for _, _, modseq in bench.announced})
    assert list(store.check(ALICE)) == []


def test_a_leader_that_is_killed_twice_still_waits_for_its_commit_and_no_longer(bench: Workbench) -> None:
    runtime = HeldRuntime()
    account = bench.open(runtime=runtime).account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    runtime.hold = True
    leader = gevent.spawn(account.append, inbox, [new("leader")])
    runtime.held.wait()
    follower = gevent.spawn(account.append, inbox, [new("follower")])
    for _ in range(2):
        leader.kill(block=False)
        gevent.sleep(0.05)
    assert not leader.ready()
    runtime.let_go.set()
    gevent.joinall([leader, follower], timeout=30)
    assert isinstance(leader.value, GreenletExit)
    assert follower.value.uids == [2]


def test_a_follower_killed_when_it_was_to_lead_passes_the_lead_on(bench: Workbench) -> None:
    runtime = HeldRuntime()
    account = bench.open(runtime=runtime).account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    runtime.hold = True
    leader = gevent.spawn(account.append, inbox, [new("leader")])
    runtime.held.wait()
    heir = gevent.spawn(account.append, inbox, [new("heir")])
    last = gevent.spawn(account.append, inbox, [new("last")])
    gevent.sleep(0)
    # The leader announces its commit before it passes the lead on; the kill then comes before the lead is taken.
    bench.on_announce = lambda: heir.kill(block=False)
    runtime.let_go.set()
    gevent.joinall([leader, heir, last])
    assert leader.value.uids == [1]
    assert isinstance(heir.value, GreenletExit)
    assert last.value.uids == [2]
    assert account.append(inbox, [new()]).uids == [3]
    assert list(bench.stores[0].check(ALICE)) == []


def test_two_stores_see_each_others_commits_at_once(bench: Workbench) -> None:
    first, second = (bench.open().account(ALICE) for _ in range(2))
    first.ensure()
    inbox = second.mailbox(INBOX).id
    for number in range(10):
        writer, reader = (first, second) if number % 2 else (second, first)
        writer.append(inbox, [new()])
        assert reader.mailbox(INBOX).messages == number + 1
        writer.store_flags(inbox, uids(number + 1), FlagChange.ADD, SEEN, (f"k{number}",))
        assert reader.snapshot(inbox)[2] == 0
        assert reader.mailbox(INBOX).keywords[-1] == f"k{number}"
        box = writer.create(f"box{number}")
        assert reader.mailbox_by_id(box.id) == box


def test_many_accounts_at_once_in_one_process(bench: Workbench) -> None:
    store = bench.open()
    accounts = [store.account(f"user{number}@example.com") for number in range(40)]

    def use(account: Account) -> None:
        account.ensure()
        inbox = account.mailbox(INBOX).id
        for number in range(5):
            account.append(inbox, [new(str(number))])
        assert account.snapshot(inbox)[0].messages == 5

    in_threads([lambda account=account: use(account) for account in accounts])  # type: ignore[misc]
    assert len(list(store.accounts())) == 40


def test_an_idle_store_goes_on_when_it_is_used_again(bench: Workbench) -> None:
    store = bench.open()
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    for number in range(3):
        account.append(inbox, [new()])
        bench.clock.seconds += 3600
        store.idle()
        assert account.mailbox(INBOX).messages == number + 1
    store.close()
    assert account.mailbox(INBOX).messages == 3
