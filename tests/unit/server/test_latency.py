"""How long commands and questions to the directory took, and whose events the log tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from nmsd.config.setting import Config
from nmsd.directory.ldif import LdifDirectory
from nmsd.model.errors import BadCredentials
from nmsd.server.pump import Pump
from nmsd.server.sessionlog import SessionLog
from nmsd.server.timed import timed
from nmsd.store.runtime import PlainRuntime
from nmsd.wire.tally import Histogram
from tests.unit.server.server_stand import EventList, Stand


def times(pump: Pump) -> dict[float, int]:
    """How many commands took up to so many seconds and longer than the bound before."""
    found = pump.latency.read()
    return {bound: count for bound, count in zip(found["bounds"], found["counts"]) if count}


def test_each_of_several_commands_is_timed_for_itself(stand: Stand) -> None:
    client = stand.greeted()
    before = times(stand.pump)

    def take_time() -> None:
        stand.time += 0.2

    stand.service.block = take_time
    client.send(b"block\nnoop\nblock\nblock\nnoop\n")
    client.lines(5)
    assert before == {0.0001: 1}, "the greeting"
    assert times(stand.pump) == {0.0001: 3, 0.25: 3}


def test_the_wait_for_a_turn_counts(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(threads=1)
    one, other = stand.greeted(), stand.greeted()
    go = Event()
    stand.service.block = go.wait
    one.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 1)
    other.send(b"block\n")
    stand.settle(lambda: stand.commands.waiting() == 1)
    stand.time += 2.0
    go.set()
    assert [one.line(), other.line()] == [b"unblocked"] * 2
    assert times(stand.pump) == {0.0001: 2, 2.5: 2}


def test_the_wait_of_an_inline_command_counts(stand: Stand) -> None:
    client = stand.greeted()
    go = Event()
    stand.service.block = go.wait
    client.send(b"late\n")
    assert client.line() == b"waiting"
    stand.time += 0.7
    go.set()
    assert client.line() == b"late"
    assert times(stand.pump) == {0.0001: 1, 1.0: 1}


def test_the_time_between_commands_does_not_count(stand: Stand) -> None:
    client = stand.greeted()
    for _ in range(3):
        stand.time += 100.0
        client.send(b"noop\n")
        client.line()
    assert times(stand.pump) == {0.0001: 4}


def test_bytes_of_sessions_that_have_ended_are_not_forgotten(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"quit\n")
    assert client.line() == b"bye"
    stand.settle(lambda: not stand.sessions.greenlets)
    assert (stand.pump.received, stand.pump.sent) == (len(b"quit\n"), len(b"hello\nbye\n"))


def test_what_is_told_while_a_session_is_served_carries_its_id(stand: Stand) -> None:
    log = SessionLog(stand.log)
    client = stand.greeted()
    stand.service.block = lambda: log("Notice", "Store", "within")
    client.send(b"block\n")
    client.line()
    log("Notice", "Store", "without")
    gevent.spawn(log, "Notice", "Store", "without").join()
    stand.service.block = lambda: log("Notice", "Store", "other", session="another")
    client.send(b"block\n")
    client.line()
    told = {text: fields for _, _, text, fields in stand.log.events if text in ("within", "without", "other")}
    assert told == {"within": {"session": client.session.id}, "without": {}, "other": {"session": "another"}}


def test_questions_to_the_directory_are_timed_whatever_the_answer(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/directory.ldif").write_text("")
    now = iter(range(100))
    histogram = Histogram()
    directory = timed(
        LdifDirectory(Config({}, str(tmp_path)), PlainRuntime(), EventList()), histogram.observe, lambda: next(now)
    )
    assert directory.find("alice") is None
    assert directory.find_recipient("alice@example.com") is None
    assert list(directory.accounts()) == []
    with pytest.raises(BadCredentials):
        directory.authenticate("alice", "secret")
    assert histogram.read()["sum"] == 3.0
