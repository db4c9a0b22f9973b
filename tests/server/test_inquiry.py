"""The sessions and counters of a running server, and the disconnecting of clients."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.harness import HOST, Instance, Line, Person, instance_directory, login


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    with instance_directory() as directory:
        server = Instance.make(directory, {"service.imap.numprocesses": 2})
        server.start()
        yield server
        server.stop()


@pytest.fixture
def someone(running: Instance) -> Person:
    return running.add_user()


def _sessions(running: Instance, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(running.nmsd("sessions", "list", "--json", *arguments).stdout)


def _counters(running: Instance, service: str) -> dict[str, Any]:
    return json.loads(running.nmsd("counters", service, "--json").stdout)[service]


def test_a_session_is_listed_with_who_from_where_and_what_it_does(running: Instance, someone: Person) -> None:
    with running.imap(someone) as client:
        client.select("INBOX", readonly=True)
        [session] = _sessions(running, "--user", someone.address)
        assert session["service"] == "imap"
        assert session["address"] == HOST
        assert session["tls"]
        assert session["cipher_bits"] >= 128
        assert session["state"] == "selected INBOX"
        assert 0 <= session["idle"] < 60
        assert session["received"] > 0
        table = running.nmsd("sessions", "list", "--user", someone.address).stdout.decode().splitlines()
        assert table[0].split()[:4] == ["ID", "SERVICE", "USER", "ADDRESS"]
        assert table[1].split()[:4] == [session["id"], "imap", someone.address, HOST]
    assert _sessions(running, "--user", someone.address) == []


def test_sessions_of_all_processes_and_services_are_listed(running: Instance, someone: Person) -> None:
    lines = [Line(running.port(143)) for _ in range(6)]
    for line in lines:
        login(line, someone)
    pop = running.pop(someone)
    found = _sessions(running, "--user", someone.address)
    assert [session["service"] for session in found].count("imap") == 6
    assert [session["state"] for session in found if session["service"] == "pop"] == ["transaction"]
    assert len(_sessions(running, "--user", someone.address, "--service", "pop")) == 1
    pop.quit()
    for line in lines:
        line.close()


def test_a_session_is_disconnected_by_its_id_and_its_client_is_told(running: Instance, someone: Person) -> None:
    with Line(running.port(143)) as one, Line(running.port(143)) as other:
        login(one, someone)
        login(other, someone)
        first = _sessions(running, "--user", someone.address)[0]
        done = running.nmsd("sessions", "kick", first["id"])
        assert done.stdout.decode() == f"disconnected {first['id']}\n"
        [left] = _sessions(running, "--user", someone.address)
        assert left["id"] != first["id"]
        running.nmsd("sessions", "kick", "--user", someone.address)
        assert b"* BYE Disconnected by the administrator" in one.rest()
        assert b"* BYE Disconnected by the administrator" in other.rest()


def test_nobody_is_disconnected_without_a_word_on_whom(running: Instance, someone: Person) -> None:
    with running.imap(someone) as client:
        assert running.nmsd("sessions", "kick", check=False).returncode == 2
        assert running.nmsd("sessions", "kick", "imap9-1-1", check=False).returncode == 1
        assert client.noop()[0] == "OK"


def test_commands_logins_and_connections_are_counted(running: Instance, someone: Person) -> None:
    before = _counters(running, "imap")
    with Line(running.port(143)) as line:
        line.until(b"* OK")
        line.ask(f"LOGIN {someone.name} wrong".encode())
        line.ask(f'LOGIN {someone.name} "{someone.password}"'.encode())
        for _ in range(3):
            line.ask(b"NOOP")
        line.ask(b"SELECT nowhere")
        line.ask(b"FROBNICATE")
        now = _counters(running, "imap")

    def more(name: str, outcome: str) -> int:
        count = [found["commands"].get(name, {}).get(outcome, 0) for found in (before, now)]
        return count[1] - count[0]

    assert more("NOOP", "OK") == 3
    assert more("LOGIN", "NO") == 1
    assert more("LOGIN", "OK") == 1
    assert more("SELECT", "NO") == 1
    assert more("UNKNOWN", "BAD") == 1
    assert "FROBNICATE" not in now["commands"], "clients cannot make the table grow"
    assert now["bad_logins"] - before["bad_logins"] == 1
    assert now["logins"] - before["logins"] == 1
    assert now["connections"] - before["connections"] == 1
    assert now["most"] >= 1
    assert now["sessions"] >= 1


def test_deliveries_are_counted_by_outcome(running: Instance, someone: Person) -> None:
    before = _counters(running, "lmtp")["commands"].get("DELIVERY", {}).get("OK", 0)
    with smtplib.LMTP(HOST, running.port(24)) as client:
        client.sendmail("a@example.net", [someone.address], b"Subject: one\r\n\r\nbody\r\n")
        client.sendmail("a@example.net", [someone.address], b"Subject: two\r\n\r\nbody\r\n")
    now = _counters(running, "lmtp")
    assert now["commands"]["DELIVERY"]["OK"] - before == 2
    assert now["commands"]["DATA"]["OK"] >= 2
    assert "DELIVERY" in running.nmsd("counters", "lmtp").stdout.decode()


def test_a_stopped_server_has_no_sessions_to_list(running: Instance) -> None:
    with instance_directory() as directory:
        stopped = Instance.make(directory)
        done = stopped.nmsd("sessions", "list", check=False)
    assert done.returncode == 1
    assert b"does not run" in done.stderr
