"""The event log: Netscape's format, no forged lines, rotation, nothing lost between processes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.setting import Config
from nmsd.log import LEVELS, EventLog, clean, open_log

ROOT = Path(__file__).resolve().parents[2]


def make(path: Path, **more: Any) -> EventLog:
    return EventLog(str(path), "imap", host="mail", clock=lambda: 1_000_000_000.0, **more)


def test_a_line_has_time_host_process_category_level_text_and_fields(tmp_path: Path) -> None:
    log = make(tmp_path / "log")
    log("Notice", "Account", "login", user="alice", address="10.0.0.1:4711", seconds=0.25, note="two words", none="")
    (line,) = (tmp_path / "log").read_text().splitlines()
    expected = (
        r"\[\d\d/Sep/2001:\d\d:\d\d:\d\d [+-]\d{4}\] mail imap\[\d+\]: Account Notice: login user=alice"
        r' address=10\.0\.0\.1:4711 seconds=0\.250 note="two words" none=""'
    )
    assert re.fullmatch(expected, line)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("level", LEVELS)
def test_only_events_as_grave_as_the_level_are_written(tmp_path: Path, level: str) -> None:
    log = make(tmp_path / "log", level=level)
    for each in LEVELS[1:]:
        log(each, "General", each)
    written = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
    assert len(written) == LEVELS.index(level)


@given(st.text(), st.one_of(st.text(), st.binary()))
def test_whatever_a_client_sends_stays_within_its_field(text: str, value: str | bytes) -> None:
    echo = io.StringIO()
    make(Path("/nonexistent/log"), echo=echo)("Error", "Protocol", text, user=value, after="x")
    written = echo.getvalue()
    assert written.endswith(" after=x\n")
    assert len(written.splitlines()) == 1
    field = written.removesuffix(" after=x\n").partition(" user=")[2] if " user=" not in clean(text) else ""
    if field.startswith('"'):
        assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', field)


def test_a_forged_line_is_an_escape(tmp_path: Path) -> None:
    make(tmp_path / "log")("Notice", "Account", "bad login", user='x"\r\n[01/Jan/2030:00:00:00 +0000] mail: all well')
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert r'user="x\"\r\n[01/Jan/2030' in line


def test_a_file_renamed_by_another_program_is_left(tmp_path: Path) -> None:
    log = make(tmp_path / "log")
    log("Error", "General", "one")
    (tmp_path / "log").rename(tmp_path / "log.old")
    log("Error", "General", "two")
    assert "one" in (tmp_path / "log.old").read_text()
    assert "two" in (tmp_path / "log").read_text()


def test_a_full_file_is_renamed_and_the_oldest_goes(tmp_path: Path) -> None:
    log = make(tmp_path / "log", max_size=4096, max_files=3)
    for number in range(20):
        log("Error", "General", f"event-{number}", filler="x" * 1000)
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock"))
    assert names == ["log", "log.1", "log.2"]
    assert all((tmp_path / name).stat().st_size <= 4096 for name in names)
    assert "event-19" in (tmp_path / "log").read_text()
    assert "event-0 " not in (tmp_path / "log.2").read_text()


def test_one_file_kept_means_none_besides(tmp_path: Path) -> None:
    log = make(tmp_path / "log", max_size=4096, max_files=1)
    for _ in range(10):
        log("Error", "General", "event", filler="x" * 1000)
    assert not (tmp_path / "log.1").exists()


def test_processes_that_share_a_file_lose_no_line_while_it_is_rotated(tmp_path: Path) -> None:
    program = (
        "import sys; from nmsd.log import EventLog\n"
        "log = EventLog(sys.argv[1], 'imap', max_size=20000, max_files=100)\n"
        "for n in range(500): log('Error', 'General', 'event', number=f'{sys.argv[2]}-{n}')\n"
    )
    path = tmp_path / "log"
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(number)], cwd=ROOT) for number in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    text = "".join(each.read_text() for each in tmp_path.iterdir())
    assert len(set(re.findall(r"number=(\d-\d+)", text))) == 1500


def test_an_event_that_cannot_be_written_is_counted_and_not_raised(tmp_path: Path) -> None:
    log = make(tmp_path / "none" / "log")
    log("Error", "General", "lost")
    assert log.dropped == 1
    (tmp_path / "none").mkdir()
    log("Error", "General", "kept")
    assert "kept" in (tmp_path / "none/log").read_text()


def test_a_terminal_that_is_gone_does_not_stop_the_file(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as echo:
        log = make(tmp_path / "log", echo=echo)
        log("Error", "General", "one")
        log("Error", "General", "two")
        try:
            echo.close()
        except BrokenPipeError:
            pass
    assert len((tmp_path / "log").read_text().splitlines()) == 2


def test_the_settings_choose_file_and_level(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    config = Config({"logfile.pop.loglevel": "Debug"}, str(tmp_path))
    open_log(config, "pop")("Debug", "General", "told")
    open_log(config, "imap")("Debug", "General", "not told")
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["pop.log"]
