"""Accounts: made once, listed, erased."""

from __future__ import annotations

import gc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmsd.model.errors import InvalidName, MailboxExists, MaildropInUse, NoSuchAccount, NoSuchMailbox
from nmsd.model.mailbox import DEFAULT_MAILBOXES, INBOX
from nmsd.model.message import Usage
from nmsd.store.api import Account, Store
from nmsd.store.runtime import PlainRuntime, unheard
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_engines import ENGINES, NOW, StoreLimits
from tests.contract.store_messages import fill, new


def test_an_account_that_was_never_used_does_not_exist_and_holds_nothing(store: Store) -> None:
    account = store.account(ALICE)
    assert not account.exists()
    assert account.mailboxes() == []
    assert account.subscriptions() == []
    assert account.usage() == Usage(0, 0)
    with pytest.raises(NoSuchMailbox):
        account.mailbox(INBOX)
    with pytest.raises(NoSuchMailbox):
        account.append(1, [new()])
    assert list(store.accounts()) == []


def test_looking_at_an_account_does_not_make_it(store: Store) -> None:
    account = store.account(ALICE)
    with account.lock_maildrop():
        pass
    account.mailboxes()
    assert not account.exists()
    assert list(store.accounts()) == []


def test_ensure_makes_inbox_and_the_usual_mailboxes_subscribed(store: Store) -> None:
    account = store.account(ALICE)
    account.ensure()
    assert account.exists()
    assert [(mailbox.name, mailbox.special_use) for mailbox in account.mailboxes()] == sorted(
        [(INBOX, ()), *((name, (use,)) for name, use in DEFAULT_MAILBOXES)]
    )
    assert account.subscriptions() == sorted([INBOX, *(name for name, _ in DEFAULT_MAILBOXES)])


def test_ensure_makes_the_mailboxes_it_is_told_and_the_levels_above_them(store: Store) -> None:
    account = store.account(ALICE)
    account.ensure([("Work/Sent", "\\Sent"), ("inbox/later", "")])
    assert [mailbox.name for mailbox in account.mailboxes()] == ["INBOX", "INBOX/later", "Work", "Work/Sent"]


def test_ensure_does_nothing_the_second_time(alice: Account) -> None:
    alice.delete("Junk")
    before = alice.mailboxes()
    alice.ensure()
    assert alice.mailboxes() == before


def test_a_new_mailbox_starts_with_these_numbers(alice: Account) -> None:
    mailbox = alice.mailbox(INBOX)
    assert (mailbox.uidnext, mailbox.recent_uid, mailbox.messages, mailbox.size) == (1, 1, 0, 0)
    assert mailbox.modseq > 0
    assert mailbox.uidvalidity >= int(NOW)
    assert len({(box.id, box.uidvalidity, box.object_id) for box in alice.mailboxes()}) == 5
    assert len({box.object_id for box in alice.mailboxes()}) == 5


def test_the_handle_of_an_account_is_one_object_while_it_is_in_use(store: Store) -> None:
    first = store.account(ALICE)
    assert store.account(ALICE) is first
    assert store.account("bob@example.com") is not first
    del first
    gc.collect()
    assert store.account(ALICE).name == ALICE


def test_accounts_are_listed_by_name_and_do_not_see_each_other(store: Store) -> None:
    for name in ("carol@example.com", "alice@example.com", "bob@example.com"):
        store.account(name).ensure()
    assert list(store.accounts()) == ["alice@example.com", "bob@example.com", "carol@example.com"]
    fill(store.account("bob@example.com"), store.account("bob@example.com").mailbox(INBOX).id, 3)
    assert store.account("bob@example.com").usage().messages == 3
    assert store.account("alice@example.com").usage().messages == 0


def test_a_removed_account_is_gone_and_can_be_made_anew(store: Store, alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    store.remove_account(ALICE)
    assert not alice.exists()
    assert alice.mailboxes() == []
    assert list(store.accounts()) == []
    with pytest.raises(NoSuchAccount):
        store.remove_account(ALICE)
    with pytest.raises(NoSuchAccount):
        list(store.check(ALICE))
    alice.ensure()
    assert alice.usage() == Usage(0, 0)
    assert alice.mailbox(INBOX).messages == 0


def test_another_process_does_not_bring_a_removed_account_back(bench: Workbench, alice: Account, inbox: int) -> None:
    other = bench.open().account(ALICE)
    assert other.mailbox(INBOX).id == inbox
    fill(other, inbox, 1)
    bench.stores[0].remove_account(ALICE)
    with pytest.raises(NoSuchMailbox):
        other.append(inbox, [new()])
    assert not other.exists()


def test_another_process_finds_an_account_that_was_made_anew(bench: Workbench, alice: Account, inbox: int) -> None:
    other = bench.open().account(ALICE)
    fill(other, inbox, 1)
    bench.stores[0].remove_account(ALICE)
    alice.ensure()
    fill(other, other_inbox := alice.mailbox(INBOX).id, 2)
    bench.clock.seconds += 60
    assert other.mailbox(INBOX).messages == 2
    assert alice.mailbox_by_id(other_inbox).messages == 2


def test_an_account_needs_a_name(store: Store) -> None:
    with pytest.raises(InvalidName):
        store.account("")
    with pytest.raises(InvalidName):
        store.account("half\ud800")


@pytest.mark.parametrize("engine_name", ENGINES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
        | st.sampled_from(["..", ".", "/", "../../etc/passwd", "a/b", "A", "a", "%61", "nul\0", ".lock", "x" * 5000]),
        min_size=1,
        max_size=5,
    )
)
def test_any_name_is_an_account_of_its_own(
    engine_name: str, names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("names")
    store = ENGINES[engine_name](place, PlainRuntime(), unheard, lambda: NOW, StoreLimits())
    for name in names:
        store.account(name).ensure(())
        store.account(name).create("mine")
        with pytest.raises(MailboxExists):
            store.account(name).create("mine")
    assert list(store.accounts()) == sorted(names)
    store.close()


def test_the_maildrop_is_held_by_one_at_a_time(bench: Workbench, alice: Account) -> None:
    other = bench.open().account(ALICE)
    with alice.lock_maildrop():
        for account in (alice, other):
            with pytest.raises(MaildropInUse), account.lock_maildrop():
                pass
    with other.lock_maildrop(), pytest.raises(MaildropInUse), alice.lock_maildrop():
        pass


def test_the_maildrop_lock_hinders_nobody_else(store: Store, alice: Account, inbox: int) -> None:
    with alice.lock_maildrop(), store.account("bob@example.com").lock_maildrop():
        fill(alice, inbox, 1)
        assert alice.mailbox(INBOX).messages == 1
