"""Mailboxes: making, deleting, renaming, subscribing."""

from __future__ import annotations

import pytest

from nmsd.model.errors import (
    CannotDo,
    InvalidName,
    LimitReached,
    MailboxExists,
    MailboxHasChildren,
    NoSuchMailbox,
    StoreError,
)
from nmsd.model.mailbox import INBOX, Mailbox
from nmsd.model.message import Field, Usage
from nmsd.model.uidset import UidSet
from nmsd.store.api import Account, FlagChange
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_engines import StoreLimits
from tests.contract.store_messages import EVERYTHING, fetch, fill, new, uids


def names(account: Account) -> list[str]:
    return [mailbox.name for mailbox in account.mailboxes()]


@pytest.fixture
def bare(alice: Account) -> Account:
    """alice with nothing but INBOX."""
    for mailbox in alice.mailboxes():
        if mailbox.name != INBOX:
            alice.delete(mailbox.name)
    return alice


def test_a_mailbox_is_found_by_name_and_by_id(alice: Account) -> None:
    made = alice.create("Projects")
    assert made.name == "Projects"
    assert alice.mailbox("Projects") == made == alice.mailbox_by_id(made.id)
    with pytest.raises(NoSuchMailbox):
        alice.mailbox("projects")
    with pytest.raises(NoSuchMailbox):
        alice.mailbox_by_id(made.id + 1000)


def test_create_makes_the_superiors_it_lacks(bare: Account) -> None:
    bare.create("a/b/c")
    assert names(bare) == ["INBOX", "a", "a/b", "a/b/c"]
    bare.create("a/b/d")
    with pytest.raises(MailboxExists):
        bare.create("a/b")


def test_create_keeps_special_uses(alice: Account) -> None:
    made = alice.create("Old", ("\\Archive", "\\All"))
    assert made.special_use == ("\\Archive", "\\All")
    assert alice.mailbox("Old").special_use == ("\\Archive", "\\All")


def test_inbox_exists_in_any_case_and_cannot_be_deleted(alice: Account) -> None:
    for name in ("INBOX", "inbox", "InBox"):
        with pytest.raises(MailboxExists):
            alice.create(name)
        with pytest.raises(CannotDo):
            alice.delete(name)
    alice.create("inbox/sub")
    assert alice.mailbox("INBOX/sub").name == "INBOX/sub"


@pytest.mark.parametrize(
    "name", ["", "/", "/a", "a/", "a//b", "a\0b", "tab\t", "line\n", "\x7f", "\x85", "\u2028", "\ud800"]
)
def test_names_that_no_mailbox_may_have(alice: Account, name: str) -> None:
    with pytest.raises(InvalidName):
        alice.create(name)
    with pytest.raises(InvalidName):
        alice.rename("Sent", name)


@pytest.mark.parametrize(
    "name", ["a b", "Entwürfe", "日本語/送信済み", "*%", "..", "a.b", "'; --", "😀", '"\\', "&AOk-"]
)
def test_names_that_any_mailbox_may_have(alice: Account, name: str) -> None:
    alice.create(name)
    assert alice.mailbox(name).name == name
    alice.delete(name)
    assert name not in names(alice)


def test_names_that_look_the_same_are_the_same(alice: Account) -> None:
    alice.create("cafe\N{COMBINING ACUTE ACCENT}")
    assert alice.mailbox("caf\N{LATIN SMALL LETTER E WITH ACUTE}").name == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    with pytest.raises(MailboxExists):
        alice.create("caf\N{LATIN SMALL LETTER E WITH ACUTE}")


def test_the_longest_name_and_the_deepest_level(bench: Workbench) -> None:
    account = bench.open(StoreLimits(name_length=20, depth=3)).account(ALICE)
    account.ensure()
    account.create("é" * 10)
    with pytest.raises(LimitReached):
        account.create("é" * 10 + "x")
    account.create("a/b/c")
    with pytest.raises(LimitReached):
        account.create("a/b/c/d")
    account.create("one")
    account.rename("a", "z")
    with pytest.raises(LimitReached):
        account.rename("z", "one/z")
    assert account.mailbox("z/b/c")


def test_the_most_mailboxes(bench: Workbench) -> None:
    account = bench.open(StoreLimits(mailboxes=8)).account(ALICE)
    account.ensure()
    account.create("6/7")
    with pytest.raises(LimitReached):
        account.create("8/9")
    assert len(account.mailboxes()) == 7
    account.create("8")
    with pytest.raises(LimitReached):
        account.create("9")
    account.rename("8", "eight")
    with pytest.raises(LimitReached):
        account.rename("eight", "up/eight")
    with pytest.raises(LimitReached):
        account.rename(INBOX, "moved")
    assert "eight" in names(account)


def test_deleting_a_mailbox_deletes_its_messages_only(alice: Account, inbox: int) -> None:
    box = alice.create("box").id
    fill(alice, inbox, 2)
    fill(alice, box, 3)
    alice.copy(box, uids(1), inbox)
    before = alice.usage()
    size = alice.mailbox("box").size
    alice.delete("box")
    assert alice.usage() == Usage(before.size - size, 3)
    assert len(fetch(alice, inbox, Field.TEXT)) == 3
    for refused in (
        lambda: alice.mailbox("box"),
        lambda: alice.mailbox_by_id(box),
        lambda: alice.snapshot(box),
        lambda: alice.changes(box, 0),
        lambda: list(alice.fetch(box, uids(1), [Field.FLAGS])) or alice.append(box, [new()]),
        lambda: alice.store_flags(box, uids(1), FlagChange.ADD, 1),
        lambda: alice.expunge(box, uids(1)),
        lambda: alice.copy(box, uids(1), inbox),
        lambda: alice.copy(inbox, uids(1), box),
        lambda: alice.move(inbox, uids(1), box),
        lambda: alice.claim_recent(box, 5),
        lambda: alice.delete("box"),
    ):
        with pytest.raises(NoSuchMailbox):
            refused()


def test_deleting_a_mailbox_leaves_its_inferiors_and_a_level_above_them(bare: Account) -> None:
    bare.create("a/b/c")
    bare.delete("a/b")
    assert names(bare) == ["INBOX", "a", "a/b/c"]
    with pytest.raises(MailboxHasChildren):
        bare.delete("a/b")
    with pytest.raises(NoSuchMailbox):
        bare.mailbox("a/b")
    assert bare.create("a/b").messages == 0
    assert names(bare) == ["INBOX", "a", "a/b", "a/b/c"]


def test_a_name_made_anew_has_a_higher_uidvalidity_and_another_identity(bench: Workbench, alice: Account) -> None:
    seen: list[Mailbox] = []
    for shift in (0, 0, -1000, 5000, 0):
        bench.clock.seconds += shift
        seen.append(alice.create("again"))
        alice.delete("again")
    assert [box.uidvalidity for box in seen] == sorted({box.uidvalidity for box in seen})
    assert len({box.id for box in seen}) == len({box.object_id for box in seen}) == 5


def test_renaming_keeps_all_but_the_name(alice: Account) -> None:
    made = alice.create("old/sub")
    fill(alice, made.id, 3)
    before = alice.mailbox("old/sub")
    alice.rename("old", "new/place")
    after = alice.mailbox("new/place/sub")
    kept = [(box.id, box.uidvalidity, box.uidnext, box.messages, box.size, box.object_id) for box in (before, after)]
    assert kept[0] == kept[1]
    assert after.modseq > before.modseq
    assert [row[1] for row in fetch(alice, made.id, Field.SIZE)]
    assert not [name for name in names(alice) if name.startswith("old")]
    assert alice.mailbox("new")


@pytest.mark.parametrize(
    ("there", "old", "new_name", "expected"),
    [
        (["a"], "a", "b", ["b"]),
        (["a", "a/x", "a/x/y"], "a", "b", ["b", "b/x", "b/x/y"]),
        (["a", "ab", "a-b", "a0"], "a", "c", ["a-b", "a0", "ab", "c"]),
        (["a", "a/x"], "a/x", "x", ["a", "x"]),
        (["a/x", "b"], "a/x", "b/x/y", ["a", "b", "b/x", "b/x/y"]),
        (["a/b/b/c"], "a/b", "z", ["a", "z", "z/b", "z/b/c"]),
        (["a"], "a", "inbox/a", ["INBOX/a"]),
        (["INBOX/a"], "inbox/a", "a", ["a"]),
        (["a"], "a", "A", ["A"]),
        (["a/x", "b/y"], "a", "b", MailboxExists),
        (["a", "b"], "a", "b", MailboxExists),
        (["a"], "a", "a", MailboxExists),
        (["a"], "a", "INBOX", MailboxExists),
        (["a"], "a", "inbox", MailboxExists),
        (["a"], "a", "a/b", CannotDo),
        (["a", "a/b"], "a", "a/b/c", CannotDo),
        (["a"], "b", "c", NoSuchMailbox),
        (["ab"], "a", "c", NoSuchMailbox),
    ],
)
def test_renaming(
    bare: Account, there: list[str], old: str, new_name: str, expected: list[str] | type[StoreError]
) -> None:
    for name in there:
        if name not in names(bare):
            bare.create(name)
    before = bare.mailboxes()
    if isinstance(expected, list):
        bare.rename(old, new_name)
        assert sorted(names(bare)) == sorted(["INBOX", *expected])
    else:
        with pytest.raises(expected):
            bare.rename(old, new_name)
        assert bare.mailboxes() == before


def test_renaming_a_level_that_is_no_mailbox_renames_what_is_below(bare: Account) -> None:
    bare.create("a/b")
    bare.delete("a")
    bare.rename("a", "c")
    assert names(bare) == ["INBOX", "c/b"]


def test_renaming_to_a_level_that_is_no_mailbox_joins_what_is_below(bare: Account) -> None:
    bare.create("a/b")
    bare.delete("a")
    bare.create("c/d")
    bare.rename("c", "a")
    assert names(bare) == ["INBOX", "a", "a/b", "a/d"]
    bare.create("e/b")
    bare.delete("a")
    before = bare.mailboxes()
    with pytest.raises(MailboxExists):
        bare.rename("e", "a")
    assert bare.mailboxes() == before


def test_renaming_upwards_onto_the_superiors_free_name(bare: Account) -> None:
    bare.create("a/b/b")
    ids = {box.name: box.id for box in bare.mailboxes()}
    bare.delete("a")
    bare.rename("a/b", "a")
    assert {box.name: box.id for box in bare.mailboxes()} == {
        "INBOX": ids["INBOX"],
        "a": ids["a/b"],
        "a/b": ids["a/b/b"],
    }


def test_renaming_inbox_moves_its_messages_and_leaves_it_and_its_inferiors(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new("one", 1, ("work",)), new("two", 8)])
    alice.create("INBOX/sub")
    alice.expunge(inbox, uids(1), only_deleted=False)
    before = alice.mailbox(INBOX)
    usage = alice.usage()
    alice.rename("inbox", "kept/old")
    after, moved = alice.mailbox(INBOX), alice.mailbox("kept/old")
    assert (after.id, after.uidvalidity, after.object_id) == (before.id, before.uidvalidity, before.object_id)
    assert (after.messages, after.size, after.unseen, after.deleted, after.uidnext) == (0, 0, 0, 0, before.uidnext)
    assert (moved.messages, moved.size, moved.unseen, moved.deleted, moved.uidnext) == (1, before.size, 1, 1, 2)
    assert alice.usage() == usage
    assert alice.changes(inbox, before.modseq).vanished == uids(2)
    assert alice.mailbox("INBOX/sub")
    with pytest.raises(MailboxExists):
        alice.rename(INBOX, "kept/old")


def test_renaming_inbox_to_an_inferior_of_its_own_is_allowed(alice: Account, inbox: int) -> None:
    fill(alice, inbox, 2)
    alice.rename(INBOX, "INBOX/2024")
    assert (alice.mailbox(INBOX).messages, alice.mailbox("INBOX/2024").messages) == (0, 2)


def test_special_uses_are_replaced(alice: Account) -> None:
    before = alice.mailbox("Sent").modseq
    alice.set_special_use("Sent", ("\\All", "\\Sent"))
    after = alice.mailbox("Sent")
    assert after.special_use == ("\\All", "\\Sent")
    assert after.modseq > before
    alice.set_special_use("Sent", ())
    assert alice.mailbox("Sent").special_use == ()
    with pytest.raises(NoSuchMailbox):
        alice.set_special_use("nothing", ())


def test_subscriptions_are_names_of_their_own(alice: Account) -> None:
    alice.subscribe("Sent", False)
    alice.subscribe("Sent", False)
    alice.subscribe("no/such/mailbox", True)
    alice.subscribe("no/such/mailbox", True)
    alice.subscribe("inbox/x", True)
    assert alice.subscriptions() == ["Drafts", "INBOX", "INBOX/x", "Junk", "Trash", "no/such/mailbox"]
    alice.delete("Junk")
    alice.rename("Drafts", "Plans")
    assert alice.subscriptions() == ["Drafts", "INBOX", "INBOX/x", "Junk", "Trash", "no/such/mailbox"]


def test_mailboxes_are_listed_with_their_counters(alice: Account, inbox: int) -> None:
    alice.append(inbox, [new("a", 1), new("b", 8), new("c", 9)])
    listed = {box.name: box for box in alice.mailboxes()}
    assert listed[INBOX] == alice.mailbox(INBOX) == alice.snapshot(inbox)[0]
    assert (listed[INBOX].messages, listed[INBOX].unseen, listed[INBOX].deleted) == (3, 1, 2)
    assert listed[INBOX].size == sum(row[1] for row in fetch(alice, inbox, Field.SIZE, uids=EVERYTHING))


def test_each_change_is_announced_once_it_can_be_read(bench: Workbench, alice: Account, inbox: int) -> None:
    told: list[set[tuple[str, int]]] = []
    modseqs: list[int] = []

    def note() -> None:
        told.append({(name, box_id) for name, box_id, _ in bench.announced})
        modseqs.extend(sorted({modseq for _, _, modseq in bench.announced}))
        bench.announced.clear()

    note()
    box = alice.create("box").id
    note()
    fill(alice, inbox, 1)
    note()
    alice.move(inbox, UidSet([(1, 1)]), box)
    note()
    alice.rename("box", "other")
    note()
    alice.delete("other")
    note()
    assert told == [
        set(),
        {(ALICE, box)},
        {(ALICE, inbox)},
        {(ALICE, inbox), (ALICE, box)},
        {(ALICE, box)},
        {(ALICE, box)},
    ]
    assert modseqs == sorted(set(modseqs))
    assert len(modseqs) == 5
