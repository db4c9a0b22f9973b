"""Random sequences of operations, on the store and on a few dictionaries: both must tell the same at every step."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from nmsd.model.errors import CannotDo, MailboxExists, MailboxHasChildren, NoSuchMailbox, OverQuota
from nmsd.model.flags import DELETED, SEEN, SYSTEM_MASK, flag_names
from nmsd.model.mailbox import INBOX, parents
from nmsd.model.message import Field, Quota, Usage
from nmsd.model.uidset import UidSet
from nmsd.store.api import FlagChange
from nmsd.store.runtime import PlainRuntime, unheard
from tests.contract.store_engines import ENGINES, NOW, Engine, StoreLimits
from tests.contract.store_messages import EVERYTHING, fetch, letter, new

ALICE = "alice@example.com"
NAMES = st.sampled_from([INBOX, "a", "a/b", "a/b/c", "b", "b/a", "INBOX/x"])
KEYWORDS = st.lists(st.sampled_from(["one", "Two", "three"]), unique=True, max_size=2).map(tuple)
BITS = st.integers(0, SYSTEM_MASK)
UIDS = st.builds(UidSet, st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=3))
SEVERAL = st.lists(st.tuples(st.integers(0, 500), BITS, KEYWORDS), min_size=1, max_size=4)
LIMIT = Quota(size=20_000, messages=40)


@dataclass
class Model:
    """A mailbox as it should be: UID to (size, system flags, keywords in lower case)."""

    id: int
    uidvalidity: int
    uidnext: int = 1
    recent_uid: int = 1
    messages: dict[int, tuple[int, int, frozenset[str]]] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    modseq: int = 0

    def add(self, size: int, bits: int, keywords: frozenset[str]) -> int:
        uid = self.uidnext
        self.uidnext += 1
        self.messages[uid] = (size, bits, keywords)
        return uid


class StoreMachine(RuleBasedStateMachine):
    """The rules; `engine` and `horizon` are set by the test."""

    engine: Engine
    horizon = 50_000

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        limits = StoreLimits(expunged=self.horizon)
        self.stores = [type(self).engine(self.place, PlainRuntime(), unheard, lambda: NOW, limits) for _ in range(2)]
        self.turn = 0
        self.boxes: dict[str, Model] = {}

    def teardown(self) -> None:
        assert list(self.stores[0].check(ALICE)) == []
        for store in self.stores:
            store.close()
        shutil.rmtree(self.place)

    @property
    def account(self):  # type: ignore[no-untyped-def]
        """The two stores take turns."""
        self.turn += 1
        return self.stores[self.turn % 2].account(ALICE)

    @initialize()
    def make(self) -> None:
        self.account.ensure(())
        self.learn(INBOX)

    def learn(self, name: str) -> None:
        mailbox = self.account.mailbox(name)
        self.boxes[name] = Model(mailbox.id, mailbox.uidvalidity)

    def used(self) -> tuple[int, int]:
        sizes = [size for box in self.boxes.values() for size, _, _ in box.messages.values()]
        return sum(sizes), len(sizes)

    def has_room(self, sizes: list[int]) -> bool:
        size, count = self.used()
        return size + sum(sizes) <= 20_000 and count + len(sizes) <= 40

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        if name in self.boxes:
            with pytest.raises(MailboxExists):
                self.account.create(name)
            return
        self.account.create(name)
        for level in [*parents(name), name]:
            if level not in self.boxes:
                self.learn(level)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        below = any(other.startswith(name + "/") for other in self.boxes)
        if name == INBOX:
            expected: type[Exception] | None = CannotDo
        elif name in self.boxes:
            expected = None
        else:
            expected = MailboxHasChildren if below else NoSuchMailbox
        if expected is None:
            self.account.delete(name)
            del self.boxes[name]
        else:
            with pytest.raises(expected):
                self.account.delete(name)

    @rule(old=NAMES, name=NAMES)
    def rename(self, old: str, name: str) -> None:
        if old == INBOX:
            self.rename_inbox(name)
            return
        moved = {other: name + other[len(old) :] for other in self.boxes if (other + "/").startswith(old + "/")}
        if not moved:
            expected: type[Exception] = NoSuchMailbox
        elif name.startswith(old + "/"):
            expected = CannotDo
        elif name in self.boxes or any(new in self.boxes and new not in moved for new in moved.values()):
            expected = MailboxExists
        else:
            self.account.rename(old, name)
            self.boxes = {moved.get(other, other): box for other, box in self.boxes.items()}
            for level in parents(name):
                if level not in self.boxes:
                    self.learn(level)
            return
        with pytest.raises(expected):
            self.account.rename(old, name)

    def rename_inbox(self, name: str) -> None:
        if name in self.boxes:
            with pytest.raises(MailboxExists):
                self.account.rename(INBOX, name)
            return
        self.account.rename(INBOX, name)
        for level in [*parents(name), name]:
            if level not in self.boxes:
                self.learn(level)
        inbox, target = self.boxes[INBOX], self.boxes[name]
        for message in inbox.messages.values():
            target.add(*message)
        inbox.messages.clear()

    @rule(name=NAMES, several=SEVERAL)
    def append(self, name: str, several: list[tuple[int, int, tuple[str, ...]]]) -> None:
        messages = [new("m", bits, keywords, size) for size, bits, keywords in several]
        sizes = [len(message.data) for message in messages]
        box = self.boxes.get(name)
        if box is None:
            return
        if not self.has_room(sizes):
            with pytest.raises(OverQuota):
                self.account.append(box.id, messages, LIMIT)
            return
        appended = self.account.append(box.id, messages, LIMIT)
        assert appended.uidvalidity == box.uidvalidity
        assert appended.uids == [
            box.add(size, bits, frozenset(map(str.lower, keywords)))
            for size, (_, bits, keywords) in zip(sizes, several)
        ]

    @rule(name=NAMES, wanted=UIDS, change=st.sampled_from(FlagChange), bits=BITS, keywords=KEYWORDS)
    def store_flags(self, name: str, wanted: UidSet, change: FlagChange, bits: int, keywords: tuple[str, ...]) -> None:
        box = self.boxes.get(name)
        if box is None:
            return
        words = frozenset(map(str.lower, keywords))
        stored = self.account.store_flags(box.id, wanted, change, bits, keywords)
        assert [uid for uid, _ in stored.changed] == [uid for uid in wanted if uid in box.messages]
        for uid, _ in stored.changed:
            size, old, old_words = box.messages[uid]
            if change is FlagChange.ADD:
                box.messages[uid] = (size, old | bits, old_words | words)
            elif change is FlagChange.REMOVE:
                box.messages[uid] = (size, old & ~bits, old_words - words)
            else:
                box.messages[uid] = (size, bits, words)

    @rule(name=NAMES, wanted=UIDS, only_deleted=st.booleans())
    def expunge(self, name: str, wanted: UidSet, only_deleted: bool) -> None:
        box = self.boxes.get(name)
        if box is None:
            return
        expunged = self.account.expunge(box.id, wanted, only_deleted)
        gone = [uid for uid in box.messages if uid in wanted and (box.messages[uid][1] & DELETED or not only_deleted)]
        assert list(expunged.uids) == gone
        for uid in gone:
            del box.messages[uid]

    @rule(source=NAMES, goal=NAMES, wanted=UIDS)
    def copy(self, source: str, goal: str, wanted: UidSet) -> None:
        if source not in self.boxes or goal not in self.boxes:
            return
        here, there = self.boxes[source], self.boxes[goal]
        chosen = [uid for uid in sorted(here.messages) if uid in wanted]
        if chosen and not self.has_room([here.messages[uid][0] for uid in chosen]):
            with pytest.raises(OverQuota):
                self.account.copy(here.id, wanted, there.id, LIMIT)
            return
        copied = self.account.copy(here.id, wanted, there.id, LIMIT)
        assert copied.pairs == [(uid, there.add(*here.messages[uid])) for uid in chosen]

    @rule(source=NAMES, goal=NAMES, wanted=UIDS)
    def move(self, source: str, goal: str, wanted: UidSet) -> None:
        if source not in self.boxes or goal not in self.boxes:
            return
        here, there = self.boxes[source], self.boxes[goal]
        moved = self.account.move(here.id, wanted, there.id)
        chosen = [uid for uid in sorted(here.messages) if uid in wanted]
        assert moved.pairs == [(uid, there.add(*here.messages.pop(uid))) for uid in chosen]

    @rule(name=NAMES, uidnext=st.integers(1, 40))
    def claim_recent(self, name: str, uidnext: int) -> None:
        box = self.boxes.get(name)
        if box is None:
            return
        assert self.account.claim_recent(box.id, uidnext) == box.recent_uid
        box.recent_uid = max(box.recent_uid, min(uidnext, box.uidnext))

    @rule()
    def tidy(self) -> None:
        self.stores[self.turn % 2].close()

    @invariant()
    def counters_agree(self) -> None:
        if not self.boxes:
            return
        listed = {mailbox.name: mailbox for mailbox in self.account.mailboxes()}
        assert list(listed) == sorted(self.boxes)
        assert self.account.usage() == Usage(*self.used())
        for name, box in self.boxes.items():
            mailbox = listed[name]
            rows = box.messages.values()
            assert (mailbox.id, mailbox.uidvalidity, mailbox.uidnext, mailbox.recent_uid) == (
                box.id,
                box.uidvalidity,
                box.uidnext,
                box.recent_uid,
            )
            assert (mailbox.messages, mailbox.size) == (len(rows), sum(size for size, _, _ in rows))
            assert mailbox.unseen == sum(not bits & SEEN for _, bits, _ in rows)
            assert mailbox.deleted == sum(bool(bits & DELETED) for _, bits, _ in rows)

    @invariant()
    def messages_agree(self) -> None:
        for box in self.boxes.values():
            mailbox, there, unseen = self.account.snapshot(box.id)
            assert list(there) == sorted(box.messages)
            assert unseen == min((uid for uid in box.messages if not box.messages[uid][1] & SEEN), default=0)
            rows = fetch(self.account, box.id, Field.SIZE, Field.FLAGS, uids=EVERYTHING)
            assert {
                uid: (
                    size,
                    bits & SYSTEM_MASK,
                    frozenset(map(str.lower, flag_names(bits & ~SYSTEM_MASK, mailbox.keywords))),
                )
                for uid, size, bits in rows
            } == box.messages

    @invariant()
    def changes_bring_a_client_up_to_date(self) -> None:
        for box in self.boxes.values():
            changes = self.account.changes(box.id, box.modseq)
            assert changes.modseq >= box.modseq
            box.modseq = changes.modseq
            assert not set(changes.vanished) & set(box.messages)
            box.told = (box.told | {uid for uid, _, _ in changes.flags}) - set(changes.vanished)
            assert box.told == set(box.messages)

    @invariant()
    def bodies_are_whole(self) -> None:
        for box in self.boxes.values():
            for _, size, header, text in fetch(self.account, box.id, Field.SIZE, Field.HEADER, Field.TEXT):
                assert header + text == letter("m", size)


@pytest.mark.parametrize("horizon", [50_000, 1])
@pytest.mark.parametrize("engine_name", ENGINES)
def test_random_operations(engine_name: str, horizon: int) -> None:
    machine = type("Machine", (StoreMachine,), {"engine": staticmethod(ENGINES[engine_name]), "horizon": horizon})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
