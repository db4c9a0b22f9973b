"""The change log: what CONDSTORE and QRESYNC are answered from."""

from __future__ import annotations

import pytest

from nmsd.model.flags import DELETED, SEEN
from nmsd.model.mailbox import INBOX
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_engines import StoreLimits
from tests.contract.store_messages import EVERYTHING, fill, new, uids


def test_nothing_changed(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    mailbox = alice.mailbox(INBOX)
    for since in (mailbox.modseq, mailbox.modseq + 100):
        changes = alice.changes(inbox, since)
        assert (changes.flags, changes.vanished) == ([], UidSet())
        assert (changes.modseq, changes.uidnext, changes.messages) == (mailbox.modseq, 3, 2)


def test_all_that_changed_since_a_modseq(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 4)
    since = alice.mailbox(INBOX).modseq
    stored = alice.store_flags(inbox, uids(3), FlagChange.ADD, SEEN, ("work",))
    alice.expunge(inbox, uids(1, 2), only_deleted=False)
    appended = alice.append(inbox, [new(flags=DELETED)])
    changes = alice.changes(inbox, since)
    assert changes.flags == [(3, SEEN | 32, stored.modseq), (5, DELETED, appended.modseq)]
    assert changes.vanished == uids(1, 2)
    assert (changes.modseq, changes.uidnext, changes.messages) == (appended.modseq, 6, 3)
    assert changes.keywords == ("work",)
    later = alice.changes(inbox, stored.modseq)
    assert [uid for uid, _, _ in later.flags] == [5]
    assert later.vanished == uids(1, 2)


def test_each_step_can_be_read_on_its_own(alice: Account, inbox: int) -> None:
    seen: set[int] = set()
    modseq = 0
    steps = [
        lambda: fill(alice, inbox, 3),
        lambda: alice.store_flags(inbox, uids(1), FlagChange.ADD, DELETED),
        lambda: alice.expunge(inbox, EVERYTHING),
        lambda: fill(alice, inbox, 2),
        lambda: alice.move(inbox, uids(2, 5), alice.create("box").id),
    ]
    for step in steps:
        step()
        changes = alice.changes(inbox, modseq)
        assert changes.modseq > modseq
        modseq = changes.modseq
        seen = (seen | {uid for uid, _, _ in changes.flags}) - set(changes.vanished)
        assert seen == set(alice.uids(inbox))
        assert len(seen) == changes.messages


def test_a_change_of_one_mailbox_is_none_of_another(alice: Account, inbox: int) -> None:
    other = alice.create("other")
    fill(alice, inbox, 2)
    assert alice.changes(other.id, other.modseq).modseq == other.modseq
    assert alice.mailbox("other").modseq == other.modseq


def test_modseqs_ascend_over_the_whole_account(alice: Account, inbox: int) -> None:
    modseqs = [alice.mailbox(INBOX).modseq]
    box = alice.create("box")
    modseqs.append(box.modseq)
    modseqs.append(alice.append(inbox, [new(), new()]).modseq)
    modseqs.append(alice.append(box.id, [new()]).modseq)
    modseqs.append(alice.store_flags(inbox, uids(1), FlagChange.ADD, SEEN).modseq)
    modseqs.append(alice.move(inbox, uids(1), box.id).modseq)
    modseqs.append(alice.expunge(inbox, uids(2), only_deleted=False).modseq)
    alice.copy(box.id, uids(1), inbox)
    modseqs.append(alice.mailbox(INBOX).modseq)
    assert modseqs == sorted(set(modseqs))


@pytest.mark.parametrize("horizon", [0, 1, 4, 20])
def test_past_the_horizon_vanished_is_too_much_but_never_too_little(bench: Workbench, horizon: int) -> None:
    account = bench.open(StoreLimits(expunged=horizon)).account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    fill(account, inbox, 60)
    history = [(account.mailbox(INBOX).modseq, set(account.uids(inbox)))]
    for uid in range(2, 50, 2):
        account.expunge(inbox, uids(uid), only_deleted=False)
        history.append((account.mailbox(INBOX).modseq, set(account.uids(inbox))))
    now = history[-1][1]
    for modseq, then in history:
        vanished = set(account.changes(inbox, modseq).vanished)
        assert vanished >= then - now
        assert not vanished & now
        assert vanished <= set(range(1, 61)) - now
    recent = history[-horizon:] if horizon else []
    for modseq, then in recent:
        assert set(account.changes(inbox, modseq).vanished) == then - now
    assert account.changes(inbox, history[-1][0]).vanished == UidSet()
    assert list(bench.stores[0].check(ALICE)) == []


def test_neighbours_expunged_together_are_one_entry(bench: Workbench) -> None:
    account = bench.open(StoreLimits(expunged=4)).account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    fill(account, inbox, 100)
    since = account.mailbox(INBOX).modseq
    for low in (1, 26, 51):
        account.expunge(inbox, UidSet([(low, low + 20)]), only_deleted=False)
    assert account.changes(inbox, since).vanished == UidSet([(1, 21), (26, 46), (51, 71)])
