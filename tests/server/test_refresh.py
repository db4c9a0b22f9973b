"""The supervisor has the directory's settings fetched, and goes on whatever becomes of that."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from nmsd.config import directory
from nmsd.config.entries import SERVER_ENTRY, Entries, Entry
from nmsd.config.load import Loaded, read
from nmsd.config.local_copy import write_copy
from nmsd.config.problem import ConfigError
from nmsd.supervisor.refresh import Outcome, Refresh

SECTIONS = (directory.SECTION,)
DN = "cn=mx1"
GOOD = {"ok": True, "problems": [], "away": ""}
AWAY = {"ok": False, "problems": [], "away": "nobody answers"}
WRONG = {"ok": False, "problems": [{"what": "is wrong", "mend": "mend it", "name": "a.b"}], "away": ""}


class Room:
    """An instance's file, and a Refresh whose command is a program of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "etc").mkdir()
        self.write(f"local.ldaphost = ldap://ds\nlocal.ldapsiedn = {DN}\n")
        self.selector = selectors.DefaultSelector()
        self.outcomes: list[Outcome] = []

    def write(self, text: str) -> None:
        """The configuration file."""
        (self.folder / "etc/nmsd.conf").write_text(text)

    def copy(self) -> None:
        """A local copy."""
        write_copy(str(self.folder), Entries(DN, "", 1.0, (Entry(SERVER_ENTRY, DN, (), {}),)))

    def load(self) -> Loaded:
        return read(str(self.folder), SECTIONS, environ={})

    def refresh(self, program: str) -> Refresh:
        """One whose command is this Python program."""
        return Refresh(self.load, [sys.executable, "-c", program], {})

    def run(self, refresh: Refresh, times: int = 1) -> Sequence[Outcome]:
        """What so many rounds bring."""
        for _ in range(times):
            refresh.begin(self.selector, self.outcomes.append)
        while len(self.outcomes) < times:
            for key, _ in self.selector.select(30):
                key.data()
            refresh.check(time.monotonic())
        return self.outcomes


def saying(answer: object) -> str:
    """A program that prints JSON."""
    return f"print({json.dumps(answer)!r})"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_without_a_directory_nothing_is_run(room: Room) -> None:
    room.write("")
    refresh = room.refresh(f"open({str(room.folder / 'ran')!r}, 'w')")
    assert refresh.now().away == ""
    refresh.begin(room.selector, room.outcomes.append)
    [outcome] = room.outcomes
    assert outcome.loaded.problems == ()
    assert not (room.folder / "ran").exists()


def test_what_was_fetched_is_read_from_the_copy(room: Room) -> None:
    room.copy()
    refresh = room.refresh(saying(GOOD))
    assert refresh.now().loaded.entries is not None
    [outcome] = room.run(refresh)
    assert outcome.loaded.entries is not None
    assert (outcome.away, outcome.loaded.problems) == ("", ())


def test_a_directory_that_is_away_is_told_and_without_a_copy_a_problem(room: Room) -> None:
    refresh = room.refresh(saying(AWAY))
    with pytest.raises(ConfigError, match=r"there is no copy \(nobody answers\); bring the directory back"):
        refresh.now()
    [outcome] = room.run(refresh)
    assert [problem.name for problem in outcome.loaded.problems] == ["local.ldaphost"]
    room.copy()
    assert refresh.now().away == "nobody answers"
    assert room.run(refresh, 2)[1].loaded.problems == ()


def test_what_is_wrong_is_told_though_there_is_a_copy(room: Room) -> None:
    room.copy()
    refresh = room.refresh(saying(WRONG))
    with pytest.raises(ConfigError, match=r"a\.b: is wrong; mend it"):
        refresh.now()
    [outcome] = room.run(refresh)
    assert [str(problem) for problem in outcome.loaded.problems] == ["a.b: is wrong; mend it"]


@pytest.mark.parametrize("program", ["", "print('nonsense')", "print('[]')", "raise SystemExit(3)", "print('{}')"])
def test_a_process_that_fails_is_a_directory_that_is_away(room: Room, program: str) -> None:
    room.copy()
    refresh = room.refresh(program)
    assert refresh.now().away == "the process that should ask it failed"
    [outcome] = room.run(refresh)
    assert outcome.away == "the process that should ask it failed"


def test_a_program_that_cannot_be_run_is_one_too(room: Room) -> None:
    room.copy()
    refresh = Refresh(room.load, ["/nowhere/python"], {})
    assert "No such file" in refresh.now().away
    [outcome] = room.run(refresh)
    assert "No such file" in outcome.away


def test_one_that_hangs_is_killed_when_its_time_is_over(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmsd.supervisor.refresh._patience", lambda config: 0.2)
    room.copy()
    refresh = room.refresh("import signal; signal.pause()")
    assert refresh.now().away == "it takes too long"
    refresh.begin(room.selector, room.outcomes.append)
    while not room.outcomes:
        for key, _ in room.selector.select(0.05):
            key.data()
        refresh.check(time.monotonic())
    assert room.outcomes[0].away == "it takes too long"


def test_several_who_ask_get_an_answer_each_in_order(room: Room) -> None:
    room.copy()
    count = room.folder / "count"
    program = f"f = open({str(count)!r}, 'a'); f.write('x'); f.close(); {saying(GOOD)}"
    assert len(room.run(room.refresh(program), 3)) == 3
    assert count.read_text() == "xxx"


def test_at_the_end_nobody_is_called_any_more(room: Room) -> None:
    refresh = room.refresh("import signal; signal.pause()")
    refresh.begin(room.selector, room.outcomes.append)
    refresh.close()
    [(key, _)] = room.selector.select(30)
    key.data()
    assert room.outcomes == []


def test_no_ldap_is_imported_into_the_supervisor() -> None:
    modules = "nmsd.cli.run, nmsd.settings, nmsd.supervisor.loop, nmsd.supervisor.prepare, nmsd.supervisor.refresh"
    program = f"import sys, {modules}; sys.exit('ldap3' in sys.modules or 'gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
