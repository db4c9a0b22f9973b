"""The logins to the console that are watched: how many, and what becomes of those that are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nmsd.console import visits
from nmsd.console.logouts import Logouts
from nmsd.console.visits import Visits
from nmsd.model.errors import DirectoryUnavailable


@pytest.fixture
def logouts(tmp_path: Path) -> Logouts:
    (tmp_path / "run").mkdir()
    return Logouts(str(tmp_path))


def test_the_one_longest_here_makes_room_and_is_looked_up_again(
    logouts: Logouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "MOST", 4)
    asked: list[str] = []
    found = Visits(logouts, lambda account: not asked.append(account))
    now = time.time()
    for name in "abcd":
        assert found.goes_on(name, now, name, "127.0.0.1")
        assert [visit.login for visit in found.sessions()] == list("abcd"[: len(asked)])
    assert found.goes_on("e", now, "e", "127.0.0.1")
    assert [visit.login for visit in found.sessions()] == list("bcde")
    assert found.goes_on("a", now, "a", "127.0.0.1")
    assert asked == list("abcdea")


def test_whose_user_is_gone_is_out_for_every_worker_and_an_outage_lets_everybody_stay(logouts: Logouts) -> None:
    now = time.time()
    assert not Visits(logouts, lambda account: False).goes_on("a", now, "a", "127.0.0.1")
    assert logouts.has("a", now)

    def away(account: str) -> bool:
        raise DirectoryUnavailable("away")

    found = Visits(logouts, away)
    assert found.goes_on("b", now, "b", "127.0.0.1")
    assert found.sessions() == []


def test_an_end_is_an_end_for_every_worker(logouts: Logouts) -> None:
    now = time.time()
    found = Visits(logouts, lambda account: True)
    found.goes_on("a", now, "a", "127.0.0.1")
    [visit] = found.sessions()
    visit.end("The password was changed")
    assert found.sessions() == []
    assert logouts.has("a", now)
