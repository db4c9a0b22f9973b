"""The smaller parts of a worker: descriptors, status lines, native threads, turns, pools, settings."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from nmsd.config.services import IMAP
from nmsd.config.setting import Config
from nmsd.server import settings
from nmsd.server.commands import CommandPool
from nmsd.server.limits import fit, shortages
from nmsd.server.pool import SessionPool
from nmsd.server.runtime import GeventRuntime
from nmsd.server.status import StatusPipe
from nmsd.server.turns import SLICE_S, Turns
from tests.unit.server.server_stand import EventList, Stand

# Descriptors


class System:
    """A system with limits; `refuses` forbids to raise the soft one."""

    def __init__(self, soft: int, hard: int, refuses: bool = False) -> None:
        self.soft = soft
        self.hard = hard
        self.refuses = refuses

    def raise_soft(self, soft: int) -> None:
        if self.refuses:
            raise PermissionError
        self.soft = soft

    def fit(self, sessions: int, others: int) -> Any:
        return fit(sessions, others, limits=lambda: (self.soft, self.hard), raise_soft=self.raise_soft)


@pytest.mark.parametrize(
    ("soft", "hard", "sessions", "limit"),
    [
        (5000, 5000, 4000, 5000),
        (1024, 100_000, 4000, 4100),
        (1024, 4100, 4000, 4100),
        (1024, 4099, 3999, 4099),
        (1024, 1024, 924, 1024),
        (50, 50, 1, 50),
    ],
)
def test_sessions_are_lowered_to_what_the_descriptor_limit_allows(
    soft: int, hard: int, sessions: int, limit: int
) -> None:
    budget = System(soft, hard).fit(4000, 100)
    assert (budget.sessions, budget.limit, budget.needed) == (sessions, limit, 4100)
    assert budget.lowered == (sessions < 4000)


def test_a_system_that_forbids_to_raise_the_limit_is_lived_with() -> None:
    assert System(1024, 100_000, refuses=True).fit(4000, 100).sessions == 924


@pytest.mark.parametrize(
    ("hard", "sessions", "files"),
    [(8128, 4000, 1200), (5328, 4000, 1200), (5327, 3999, 1200), (2528, 1200, 1200), (1128, 500, 500), (134, 3, 3)],
)
def test_sessions_and_the_files_of_the_store_have_half_of_the_room_each_and_what_the_other_leaves(
    hard: int, sessions: int, files: int
) -> None:
    system = System(min(1024, hard), hard)
    budget = fit(4000, 128, 1200, limits=lambda: (system.soft, system.hard), raise_soft=system.raise_soft)
    assert (budget.sessions, budget.files) == (sessions, files)
    assert not budget.hopeless
    assert budget.sessions + budget.files + 128 <= hard


@pytest.mark.parametrize(
    ("files", "limit", "fitting"),
    [(20, 4148, None), (20, 4147, 3999), (20, 134, 3), (20, 133, 0), (9000, 8128, None), (9000, 8126, 3999)],
)
def test_too_few_descriptors_are_told_of_with_the_setting_and_the_mend(
    files: int, limit: int, fitting: int | None
) -> None:
    found = list(shortages(Config({}, "/instance"), {}, {IMAP: files}, limit))
    if fitting is None:
        assert not found
        return
    (shortage,) = found
    told = str(shortage.problem)
    assert shortage.hopeless is (not fitting)
    assert "service.imap.maxsessions = 4000 (the default)" in told
    assert f"a process needs {4128 + files} descriptors, and may have {limit}" in told
    assert "LimitNOFILE" in told
    assert (f"set this to at most {fitting}" in told) is bool(fitting)
    if fitting:
        assert not list(shortages(Config({IMAP.max_sessions.name: fitting}), {}, {IMAP: files}, limit))
        assert list(shortages(Config({IMAP.max_sessions.name: fitting + 1}), {}, {IMAP: files}, limit))


def test_a_service_that_is_not_enabled_is_short_of_nothing() -> None:
    assert not list(shortages(Config({"service.imap.enable": False}), {}, {IMAP: 20}, 10))


# Status lines


@pytest.fixture
def pipe() -> Any:
    return socket.socketpair()


def test_a_status_line_is_written_when_something_changes_and_every_ten_seconds(pipe: Any) -> None:
    now = [0.0]
    ours, theirs = pipe
    status = StatusPipe(ours.fileno(), lambda: now[0], lambda: None)
    for at, sessions in ((0.0, 1), (1.0, 1), (2.0, 2), (9.0, 2), (10.0, 2), (11.0, 2)):
        now[0] = at
        status.tell({"state": "ready", "sessions": sessions})
    lines = [json.loads(line) for line in theirs.recv(65536).splitlines()]
    assert [line["sessions"] for line in lines] == [1, 2, 2]
    assert all(line["memory"] > 0 and line["descriptors"] > 0 and line["descriptor_limit"] > 0 for line in lines)
    status.close()


def test_the_other_end_s_closing_is_noticed_once(stand: Stand) -> None:
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    for end, close in ((writer, lambda: os.close(reader)), (ours.fileno(), theirs.close)):
        gone: list[int] = []
        status = StatusPipe(end, time.monotonic, lambda gone=gone: gone.append(1))
        gevent.sleep(0.005)
        assert gone == []
        close()
        stand.settle(lambda gone=gone: bool(gone))
        status.tell({"state": "ready"})
        assert gone == [1]
    os.close(writer)


def test_a_reader_that_does_not_read_blocks_nobody_and_gets_whole_lines(pipe: Any) -> None:
    ours, theirs = pipe
    status = StatusPipe(ours.fileno(), time.monotonic, lambda: None)
    for sessions in range(5000):
        status.tell({"state": "ready", "sessions": sessions})
    theirs.setblocking(False)
    received = b""
    for sessions in range(10_000, 10_010):
        try:
            while True:
                received += theirs.recv(65536)
        except BlockingIOError:
            status.tell({"state": "ready", "sessions": sessions})
    told = [json.loads(line)["sessions"] for line in received.splitlines()]
    assert told == sorted(told)
    assert told[-1] >= 10_000
    status.close()


# Native threads


def test_offloaded_work_runs_in_a_native_thread_and_the_hub_goes_on() -> None:
    runtime = GeventRuntime(2)
    started, go_on = threading.Event(), threading.Event()

    def work() -> int:
        started.set()
        go_on.wait()
        return threading.get_native_id()

    greenlet = gevent.spawn(runtime.offload, work)
    while not started.is_set():
        gevent.sleep(0.001)
    go_on.set()
    assert greenlet.get() != threading.get_native_id()
    runtime.close()


def test_an_exception_comes_back_from_the_native_thread(capfd: pytest.CaptureFixture[str]) -> None:
    runtime = GeventRuntime(1)

    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        runtime.offload(work)
    assert capfd.readouterr().err == ""
    runtime.close()


def test_work_offloaded_from_a_native_thread_runs_there() -> None:
    runtime = GeventRuntime(1)
    inner: Callable[[], int] = threading.get_native_id
    assert runtime.offload(lambda: (threading.get_native_id(), runtime.offload(inner))) is not None
    outer, nested = runtime.offload(lambda: (threading.get_native_id(), runtime.offload(inner)))
    assert outer == nested
    runtime.close()


def test_a_signal_may_be_given_before_or_after_the_wait_and_from_a_native_thread() -> None:
    runtime = GeventRuntime(1)
    early = runtime.signal()
    early.set()
    early.wait()
    late = runtime.signal()
    waiter = gevent.spawn(late.wait)
    gevent.sleep(0)
    runtime.offload(late.set)
    waiter.get(timeout=10)
    runtime.close()


# Turns and pools


def test_sockets_come_first_when_a_greenlet_takes_a_turn() -> None:
    turns = Turns()
    ours, theirs = socket.socketpair()
    seen: list[int] = []
    rounds = [0]
    watcher = gevent.get_hub().loop.io(ours.fileno(), 1)
    watcher.start(lambda: (seen.append(rounds[0]), watcher.stop()))

    def run() -> None:
        while rounds[0] < 100:
            rounds[0] += 1
            turns.take()

    theirs.send(b"x")
    gevent.joinall([gevent.spawn(run) for _ in range(3)])
    assert seen
    assert seen[0] <= 6


def test_a_turn_is_due_after_a_slice() -> None:
    turns = Turns()
    gevent.sleep(0.001)
    gevent.get_hub().loop.update_now()
    assert not turns.due()
    end = time.time() + SLICE_S * 1.2
    while time.time() < end:
        pass
    assert turns.due()


class Job:
    """Work for a pool, which gives its slot back at the end."""

    def __init__(self, pool: CommandPool, work: Callable[[], Any]) -> None:
        self.has_slot = False
        self.pool = pool
        self.work = work

    def run(self) -> None:
        try:
            self.work()
        finally:
            self.pool.give_slot(self)


def test_a_larger_command_pool_starts_what_was_waiting() -> None:
    event = Event()
    pool = CommandPool(1, EventList())
    done: list[int] = []
    for number in range(4):
        pool.submit(Job(pool, lambda number=number: (event.wait(), done.append(number))))
    gevent.sleep(0)
    assert (pool.busy, pool.waiting()) == (1, 3)
    pool.resize(3)
    assert (pool.busy, pool.waiting()) == (3, 1)
    pool.resize(1)
    event.set()
    while pool.busy:
        gevent.sleep(0.001)
    assert sorted(done) == [0, 1, 2, 3]


def test_work_that_fails_is_logged_and_its_greenlet_goes_on() -> None:
    log = EventList()
    pool = CommandPool(1, log)
    done = Event()
    pool.submit(Job(pool, lambda: 1 / 0))
    pool.submit(Job(pool, done.set))
    done.wait(timeout=10)
    assert log.texts("Error") == ["work in a greenlet failed"]


def test_the_session_pool_holds_sessions_and_may_change_its_size() -> None:
    room: list[int] = []
    pool = SessionPool(2)
    pool.on_leave = lambda session: room.append(1)
    one, two = object(), object()
    pool.add(one)
    assert not pool.full()
    pool.add(two)
    assert pool.full()
    pool.resize(3)
    assert not pool.full()
    pool.resize(1)
    pool.discard(one)
    assert pool.full()
    pool.discard(two)
    assert room == [1, 1]
    assert pool.join(timeout=1)


def test_every_default_is_allowed_and_every_setting_says_why_one_changes_it() -> None:
    for section in settings.SECTIONS:
        for setting in section.settings:
            assert setting.kind.parse(setting.kind.write(setting.default)) == setting.default
            assert len(setting.help) > 60
