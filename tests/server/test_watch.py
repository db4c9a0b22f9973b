"""`nmsd sessions watch` and `nmsd counters`: in a terminal, in a pipe, as JSON."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.clients.harness import Instance, Line, Person, command, environment, instance_directory, login

PATIENCE_S = 60


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    with instance_directory() as directory:
        server = Instance.make(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def someone(running: Instance) -> Person:
    return running.add_user()


def watch(running: Instance, *arguments: str) -> list[str]:
    return [*command(), "-I", str(running.directory), "sessions", "watch", *arguments]


def test_each_look_is_a_line_of_json_until_ctrl_c(running: Instance, someone: Person) -> None:
    arguments = watch(running, "--json", "--interval", "0.2", "--user", someone.address)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as watcher:

        def users() -> list[str]:
            """At the next look."""
            assert watcher.stdout is not None
            line = watcher.stdout.readline()
            assert line, watcher.communicate()[1].decode()
            return [session["user"] for session in json.loads(line)["sessions"]]

        assert users() == []
        with Line(running.port(143)) as line:
            login(line, someone)
            while not (found := users()):
                pass
            assert found == [someone.address]
        while users():
            pass
        watcher.send_signal(signal.SIGINT)
        _, errors = watcher.communicate(timeout=PATIENCE_S)
    assert (watcher.returncode, errors) == (0, b"")


def test_so_many_looks_as_wanted(running: Instance) -> None:
    done = running.nmsd("sessions", "watch", "--json", "--interval", "0.1", "--count", "3")
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(looks) == 3
    assert looks[0]["time"] < looks[1]["time"] < looks[2]["time"]


def test_in_a_pipe_it_is_tables(running: Instance, someone: Person) -> None:
    with Line(running.port(143)) as line:
        login(line, someone)
        text = running.nmsd("sessions", "watch", "--interval", "0.1", "--count", "2").stdout.decode()
    heads = [line.split() for line in text.splitlines() if line.startswith("ID ")]
    assert heads == [["ID", "SERVICE", "USER", "ADDRESS", "TLS", "STATE", "IDLE", "AGE", "IN", "OUT"]] * 2
    assert text.count(someone.address) == 2


def test_in_a_terminal_the_screen_comes_back_after_ctrl_c(running: Instance, someone: Person) -> None:
    with Line(running.port(143)) as line:
        login(line, someone)
        line.ask(b"SELECT INBOX")
        screen, terminal = pty.openpty()
        more = environment(TERM="xterm", COLUMNS="160", LINES="20")
        watcher = subprocess.Popen(
            watch(running, "--interval", "0.2"), stdin=terminal, stdout=terminal, stderr=terminal, env=more
        )
        os.close(terminal)
        seen = _read(screen, someone.address.encode())
        assert b"selected INBOX" in seen + _read(screen, b"sessions of")
        watcher.send_signal(signal.SIGINT)
        seen += _read(screen, b"\x1b[?1049l")
        assert watcher.wait(PATIENCE_S) == 0
        os.close(screen)
    assert b"Traceback" not in seen
    assert seen.index(b"\x1b[?1049h") < seen.index(b"\x1b[?1049l")


def _read(screen: int, wanted: bytes) -> bytes:
    """What the terminal shows up to what is wanted."""
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while wanted not in seen:
        assert select.select([screen], [], [], max(0.0, end - time.monotonic()))[0], seen
        seen += os.read(screen, 1 << 16)
    return seen


@pytest.mark.parametrize(
    ("sort", "first"), [("out", "busy"), ("in", "busy"), ("user", "aquiet"), ("age", "aquiet"), ("idle", "busy")]
)
def test_the_order_is_as_wanted(running: Instance, sort: str, first: str) -> None:
    people = {name: Person(f"{name}{sort}") for name in ("aquiet", "busy")}
    for person in people.values():
        running.add_user(person.name)
    with Line(running.port(143)) as quiet:
        login(quiet, people["aquiet"])
        # Times are counted by the worker's clock, which ticks once a second.
        while _facts(running, people["aquiet"])["age"] < 2:
            pass
        with Line(running.port(143)) as busy:
            login(busy, people["busy"])
            for _ in range(30):
                busy.ask(b"CAPABILITY")

            def order(*more: str) -> list[str]:
                found = running.nmsd("sessions", "list", "--json", "--sort", sort, *more).stdout
                names = [session["user"].partition("@")[0] for session in json.loads(found)]
                return [name for name in names if name.endswith(sort)]

            expected = sorted((person.name for person in people.values()), key=lambda name: not name.startswith(first))
            assert order() == expected
            assert order("--reverse") == expected[::-1]


def _facts(running: Instance, person: Person) -> dict[str, float]:
    [session] = json.loads(running.nmsd("sessions", "list", "--json", "--user", person.address).stdout)
    found: dict[str, float] = session
    return found


def test_a_server_that_is_gone_ends_the_watch() -> None:
    with instance_directory() as directory:
        stopped = Instance.make(directory)
        done = stopped.nmsd("sessions", "watch", "--json", check=False)
    assert done.returncode == 1
    assert b"does not run" in done.stderr


def test_counters_tell_how_long_things_take(running: Instance, someone: Person) -> None:
    running.append(someone, [b"Subject: one\r\n\r\n"])
    found = json.loads(running.nmsd("counters", "imap", "--json").stdout)["imap"]
    assert set(found["latency"]) == {"command", "commit", "directory"}
    for what in ("command", "commit", "directory"):
        times = found["latency"][what]
        assert times["count"] == sum(times["counts"]) > 0
        assert len(times["counts"]) == len(times["bounds"]) + 1
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= 10
        assert times["sum"] > 0
    table = running.nmsd("counters").stdout.decode()
    rows = [line.split() for line in table.splitlines()]
    assert ["SERVICE", "TIME", "OF", "COUNT", "MEAN", "50", "%", "95", "%", "99", "%"] in rows
    assert any(row[:2] == ["imap", "commit"] for row in rows)


def test_status_tells_all_of_every_worker(running: Instance) -> None:
    status = json.loads(running.nmsd("status", "--json").stdout)
    assert set(status) >= {"version", "pid", "state", "instance", "started", "uptime", "memory", "cpu", "services"}
    wanted = {
        "index", "pid", "generation", "state", "uptime", "heard", "sessions", "max_sessions", "threads", "max_threads",
        "rejected", "logins", "bad_logins", "descriptors", "descriptor_limit", "memory", "cpu", "native_threads",
    }  # fmt: skip
    for service in status["services"]:
        assert set(service) >= {"name", "state", "reason", "processes", "endpoints", "restarts", "last_death"}
        for worker in service["workers"]:
            assert set(worker) >= wanted, wanted - set(worker)
