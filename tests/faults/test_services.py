"""The settings of services as a client meets them: what is closed, what is refused, what waits for what."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients.harness import HOST, Instance, Line, appended_uid, instance_directory, login
from tests.clients.letters import letter
from tests.conftest import require

Maker = Callable[..., Instance]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Instance]:
    """A server that takes passwords over IMAP with TLS only, over POP3 never, and serves no LMTP."""
    settings = {
        "service.imap.plaintextmincipher": 128,
        "service.pop.plaintextmincipher": -1,
        "service.lmtp.enable": "no",
        "service.imap.banner": "[%p] 100%% of %h",
        "local.hostname": "mail.example.com",
        "service.imap.listenaddr": "127.0.0.1, 127.0.0.2",
    }
    with instance_directory() as directory:
        server = Instance.make(directory, settings)
        server.start()
        yield server
        server.stop()


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_a_service_that_is_not_enabled_does_not_listen(guarded: Instance) -> None:
    assert not listens(HOST, guarded.port(24))
    assert not (guarded.directory / "run/lmtp.sock").exists()


def test_a_service_listens_on_its_own_addresses_only(guarded: Instance) -> None:
    assert listens("127.0.0.2", guarded.port(143))
    assert not listens("127.0.0.2", guarded.port(110))
    assert not listens("127.0.0.3", guarded.port(143))


def test_the_banner_says_what_its_template_says(guarded: Instance) -> None:
    greeting = Line(guarded.port(143)).readline()
    assert greeting.endswith(b"] [IMAP4] 100% of mail.example.com\r\n"), greeting


def test_a_password_is_taken_with_a_strong_enough_cipher_only(guarded: Instance) -> None:
    person = guarded.add_user()
    plain = Line(guarded.port(143))
    assert b" LOGINDISABLED" in plain.readline()
    login_command = f'LOGIN {person.name} "{person.password}"'.encode()
    assert plain.ask(login_command).startswith(b"t1 NO [PRIVACYREQUIRED]")
    assert plain.ask(b"AUTHENTICATE PLAIN AGEAYg==").startswith(b"t1 NO [PRIVACYREQUIRED]")

    secure = Line(guarded.port(993), guarded.tls())
    assert b"LOGINDISABLED" not in secure.readline()
    assert secure.ask(login_command).startswith(b"t1 OK")

    for pop in (Line(guarded.port(110)), Line(guarded.port(995), guarded.tls())):
        pop.until(b"+OK")
        pop.send(f"USER {person.name}\r\nPASS {person.password}\r\n".encode())
        answers = pop.readline() + pop.readline()
        assert b"-ERR" in answers, answers
        pop.send(b"STAT\r\n")
        assert pop.readline().startswith(b"-ERR")


def test_ports_change_by_a_reload_and_an_open_session_lives_on(make_instance: Maker) -> None:
    instance = make_instance()
    person = instance.add_user()
    old = login(Line(instance.port(143)), person)
    old_secure = login(Line(instance.port(993), instance.tls()), person)
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        ports = [server.getsockname()[1] for server in (one, other)]
    instance.nmsd("config", "set", "service.imap.port", str(ports[0]))
    instance.nmsd("config", "set", "service.imap.sslport", str(ports[1]))

    instance.nmsd("reload")

    assert login(Line(ports[0]), person).ask(b"NOOP").startswith(b"t1 OK")
    assert login(Line(ports[1], instance.tls()), person).ask(b"NOOP").startswith(b"t1 OK")
    assert not listens(HOST, instance.port(143))
    assert not listens(HOST, instance.port(993))
    for session in (old, old_secure):
        assert session.ask(b"NOOP").startswith(b"t1 OK")


def test_with_one_thread_commands_are_served_in_order_and_short_ones_at_once(make_instance: Maker) -> None:
    instance = make_instance(**{"service.imap.maxthreads": 1})
    person = instance.add_user()
    instance.append(person, [letter("large", ("y" * 78 + "\r\n") * 50_000)])
    deaf, first, second, other = (login(Line(instance.port(143)), person) for _ in range(4))
    deaf.ask(b"SELECT INBOX")
    deaf.send(b"f FETCH 1 BODY.PEEK[]\r\n" * 20)
    deaf.until(b"* 1 FETCH")  # it has begun, and takes the one thread until it is read to its end

    waiting = []
    for line in (first, second):
        message = letter("waits")
        line.send(b"t1 APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
        assert other.ask(b"NOOP").startswith(b"t1 OK")  # which shows that the command has arrived as well
    for line in (first, second):
        line.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            line.socket.recv(1)
        line.socket.settimeout(60)
    deaf.close()
    for line in (first, second):
        waiting.append(appended_uid(line.until(b"t1 OK ").removeprefix(b"t1 OK ")))
    assert waiting == sorted(waiting)


def test_with_few_descriptors_fewer_sessions_are_served_and_it_is_said(make_instance: Maker) -> None:
    prlimit = require("prlimit")
    instance = make_instance(start=False)
    limit = 1600
    instance.start([prlimit, f"--nofile={limit}:{limit}"])
    [imap] = [service for service in status(instance)["services"] if service["name"] == "imap"]
    [worker] = imap["workers"]
    assert worker["descriptor_limit"] == limit
    assert 0 < worker["max_sessions"] < limit
    told = "too few file descriptors: fewer sessions than configured"
    assert f"{told} sessions={worker['max_sessions']} wanted=4000 limit={limit}" in instance.log()


def test_who_is_turned_away_is_counted(make_instance: Maker) -> None:
    instance = make_instance(**{"service.imap.maxsessions": 1})
    kept = Line(instance.port(143))
    kept.until(b"* OK")
    for _ in range(3):
        assert Line(instance.port(143)).readline().startswith(b"* BYE [UNAVAILABLE]")
    kept.close()
    deadline = time.monotonic() + 30
    while rejected(instance) != 3:
        assert time.monotonic() < deadline


def rejected(instance: Instance) -> int:
    """How many clients the IMAP worker has turned away, as far as it has told."""
    [imap] = [service for service in status(instance)["services"] if service["name"] == "imap"]
    return int(imap["workers"][0].get("rejected", 0))


def status(instance: Instance) -> dict[str, Any]:
    """What `nmsd status` tells."""
    found: dict[str, Any] = json.loads(instance.nmsd("status", "--json").stdout)
    return found


def test_a_client_that_talks_nonsense_is_ended(instance: Instance) -> None:
    line = Line(instance.port(143))
    line.until(b"* OK")
    for _ in range(20):
        assert line.ask(b"NONSENSE").startswith(b"t1 BAD")
    assert line.rest().startswith(b"* BYE")
    pop = Line(instance.port(110))
    pop.until(b"+OK")
    for _ in range(20):
        pop.send(b"NONSENSE\r\n")
        assert pop.readline().startswith(b"-ERR")
    pop.rest()  # it comes to an end
