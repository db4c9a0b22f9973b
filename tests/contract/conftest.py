"""What the store's contract tests share: an engine, its store, an account, and messages to put in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nmsd.model.mailbox import INBOX
from nmsd.store.api import Account, Runtime, Store
from nmsd.store.runtime import PlainRuntime
from tests.contract.store_engines import ENGINES, Clock, Engine, StoreLimits

ALICE = "alice@example.com"


@dataclass
class Workbench:
    """One engine at one place; opens as many stores there as a test wants, and closes them after it."""

    engine: Engine
    place: Path
    clock: Clock = field(default_factory=Clock)
    announced: list[tuple[str, int, int]] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    on_announce: Callable[[], None] = lambda: None

    def open(self, limits: StoreLimits = StoreLimits(), runtime: Runtime | None = None) -> Store:
        store = self.engine(self.place, runtime or PlainRuntime(), self.announce, self.clock, limits)
        self.stores.append(store)
        return store

    def announce(self, account: str, mailbox_id: int, modseq: int) -> None:
        self.announced.append((account, mailbox_id, modseq))
        self.on_announce()


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def bench(engine_name: str, tmp_path: Path) -> Iterator[Workbench]:
    workbench = Workbench(ENGINES[engine_name], tmp_path)
    yield workbench
    for store in workbench.stores:
        store.close()


@pytest.fixture
def store(bench: Workbench) -> Iterator[Store]:
    """A store; after the test every account in it must still be without a fault."""
    store = bench.open()
    yield store
    found = [finding for name in list(store.accounts()) for finding in store.check(name)]
    assert found == []


@pytest.fixture
def alice(store: Store) -> Account:
    """An account with its first mailboxes."""
    account = store.account(ALICE)
    account.ensure()
    return account


@pytest.fixture
def inbox(alice: Account) -> int:
    """The id of alice's INBOX."""
    return alice.mailbox(INBOX).id
