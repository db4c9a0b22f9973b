"""The list of ended logins: bounded, shared by workers, and never forgetful to anybody's harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nmsd.console import logouts
from nmsd.console.logouts import LONGEST_S, Logouts


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "run").mkdir()
    return str(tmp_path)


def test_what_one_worker_ends_the_other_knows(place: str) -> None:
    one, other = Logouts(place), Logouts(place)
    assert not other.has("a", 100.0)
    one.add("a", 100.0, 200.0)
    assert one.has("a", 100.0)
    assert other.has("a", 100.0)
    assert not other.has("b", 100.0)
    assert (Path(place) / "run/logouts").stat().st_mode & 0o777 == 0o600


def test_logins_that_are_over_by_age_are_left_out(place: str) -> None:
    found = Logouts(place)
    found.add("old", 100.0, 150.0)
    found.add("new", LONGEST_S + 200.0, LONGEST_S + 200.0)
    assert not found.has("old", 150.0)
    assert found.has("new", LONGEST_S + 200.0)


def test_a_full_list_ends_older_logins_rather_than_let_an_ended_one_in(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logouts, "MOST", 2)
    found = Logouts(place)
    for login, since in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        found.add(login, since, 10.0)
    for login, since in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        assert Logouts(place).has(login, since)
    assert not found.has("d", 2.5)
    assert found.has("elder", 0.5)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ended": 3, "oldest": 1}'])
def test_a_list_that_cannot_be_read_ends_all_logins_before_it_and_none_after(place: str, text: str) -> None:
    path = Path(place) / "run/logouts"
    path.write_text(text)
    os.utime(path, (1000.0, 1000.0))
    found = Logouts(place)
    assert found.has("a", 999.0)
    assert not found.has("b", 1001.0)
    found.add("b", 1001.0, 1002.0)
    assert Logouts(place).has("b", 1001.0)
    assert Logouts(place).has("a", 999.0)
