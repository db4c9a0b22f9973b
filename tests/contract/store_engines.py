"""The store engines that must pass the contract.  A new engine is one more row in ENGINES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from nmsd.store.api import Announce, Runtime, Store
from nmsd.store.sqlite.engine import open_store as open_sqlite
from nmsd.store.sqlite.settings import Limits

NOW: Final = 1_700_000_000.0


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    seconds: float = NOW

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class StoreLimits:
    """The limits an engine is opened with, where a test wants other than the engine's own."""

    mailboxes: int = 10_000
    name_length: int = 1000
    depth: int = 50
    expunged: int = 50_000


class Engine(Protocol):
    """Opens the store that lives at `place`, an empty directory at first; may be done several times at once."""

    def __call__(
        self, place: Path, runtime: Runtime, announce: Announce, clock: Callable[[], float], limits: StoreLimits
    ) -> Store: ...


def sqlite(
    place: Path,
    runtime: Runtime,
    announce: Announce,
    clock: Callable[[], float],
    limits: StoreLimits,
    journal: bool = False,
) -> Store:
    """The embedded engine."""
    return open_sqlite(
        place / "store",
        runtime,
        announce,
        Limits(
            max_mailboxes=limits.mailboxes,
            max_name_length=limits.name_length,
            max_hierarchy_depth=limits.depth,
            expunged_horizon=limits.expunged,
            journal_size=1 << 20 if journal else 0,
        ),
        clock,
        journal=journal,
    )


ENGINES: Final[dict[str, Engine]] = {"sqlite": sqlite, "sqlite with a journal": partial(sqlite, journal=True)}
