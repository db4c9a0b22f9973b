"""The event log: Netscape's format and JSON, no forged lines, nothing lost between processes, nobody held up."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.setting import Config
from nmsd.log import LEVELS, EventLog, Limits, clean, open_log

ROOT = Path(__file__).resolve().parents[3]
NOW = 1_000_000_000.0


def make(path: Path, *, echo: IO[str] | None = None, **limits: Any) -> EventLog:
    return EventLog(str(path), "imap", Limits(**limits), host="mail", clock=lambda: NOW, echo=echo)


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
        "import sys; from nmsd.log import EventLog, Limits\n"
        "log = EventLog(sys.argv[1], 'imap', Limits(max_size=20000, max_files=100))\n"
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
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["pop.log", "pop.log.lock"]


def test_json_has_the_same_as_one_object_a_line(tmp_path: Path) -> None:
    log = make(tmp_path / "log", json=True)
    log("Notice", "Account", "login", user="alice", address=b"10.0.0.1", seconds=0.25, count=3, nothing=None, tls=True)
    (line,) = (tmp_path / "log").read_text().splitlines()
    event = json.loads(line)
    assert list(event)[:6] == ["time", "host", "process", "category", "level", "text"]
    at = datetime.fromisoformat(event.pop("time"))
    assert (at.timestamp(), at.tzinfo is not None) == (NOW, True)
    assert event.pop("process") == f"imap[{os.getpid()}]"
    expected = {
        "host": "mail", "category": "Account", "level": "Notice", "text": "login", "user": "alice",
        "address": "10.0.0.1", "seconds": 0.25, "count": 3, "nothing": None, "tls": True,
    }  # fmt: skip
    assert event == expected


@given(st.text(), st.one_of(st.text(), st.binary(), st.floats()))
def test_whatever_a_client_sends_stays_one_line_of_json(text: str, value: str | bytes | float) -> None:
    echo = io.StringIO()
    make(Path("/nonexistent/log"), echo=echo, json=True)("Error", "Protocol", text, user=value, after="x")
    written = echo.getvalue()
    assert written.isascii()
    assert len(written.splitlines()) == 1
    event = json.loads(written)
    assert (event["text"], event["after"]) == (text, "x")


def test_the_format_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    config = Config({"logfile.format": "json"}, str(tmp_path))
    log = open_log(config, "lmtp")
    log("Error", "General", "one")
    log.adjust(Limits())
    log("Error", "General", "two")
    one, two = (tmp_path / "log/lmtp.log").read_text().splitlines()
    assert json.loads(one)["text"] == "one"
    assert two.startswith("[")


def test_a_reader_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """The echo goes to a pipe that is full: the lines are in the file, and the writer goes on."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "w") as echo:
        log = make(tmp_path / "log", echo=echo)
        for number in range(200):
            log("Error", "General", f"event-{number}", filler="x" * 1000)
        assert len((tmp_path / "log").read_text().splitlines()) == 200
        assert os.read(reader, 1 << 20).startswith(b"[")
        log("Error", "General", "event-200")
        assert b"event-200" in os.read(reader, 1 << 20)


def test_a_collector_behind_a_socket_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(theirs.fileno(), "w", closefd=False) as echo:
        log = make(tmp_path / "log", echo=echo)
        for _ in range(1000):
            log("Error", "General", "event", filler="x" * 1000)
    assert len((tmp_path / "log").read_text().splitlines()) == 1000


def test_an_event_in_the_middle_of_another_is_written(tmp_path: Path) -> None:
    """As when the garbage collector ends a greenlet, whose clean-up logs, while a line is being written."""
    log = make(tmp_path / "log", max_size=4096, max_files=100)
    clocks = iter(range(1000))

    def clock() -> float:
        if next(clocks) == 20:
            inner("Error", "General", "inner")
        return NOW

    outer = EventLog(str(tmp_path / "log"), "imap", Limits(max_size=4096, rollover_s=10), clock=clock)
    inner = log
    for _ in range(30):
        outer("Error", "General", "outer", filler="x" * 500)
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert (text.count("outer"), text.count("inner")) == (30, 1)


def test_threads_lose_no_line_while_the_file_is_rotated(tmp_path: Path) -> None:
    log = make(tmp_path / "log", max_size=20000, max_files=1000)

    def write(writer: int) -> None:
        for number in range(300):
            log("Error", "General", "event", number=f"{writer}-{number}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert len(set(re.findall(r"number=(\d-\d+)", text))) == 2400
    assert log.dropped == 0


def test_while_another_rotates_events_go_on_into_the_file_there_is(tmp_path: Path) -> None:
    log = make(tmp_path / "log", max_size=4096)
    log("Error", "General", "one", filler="x" * 4000)
    with open(tmp_path / "log.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log("Error", "General", "two")
    assert "two" in (tmp_path / "log").read_text()
    log("Error", "General", "three")
    assert "three" in (tmp_path / "log").read_text()
    assert "two" in (tmp_path / "log.1").read_text()
