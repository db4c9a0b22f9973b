"""Limits, time-outs and changes of the configuration while sessions live."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from tests.clients.harness import HOST, Instance, Line, Person, login
from tests.clients.letters import letter

Maker = Callable[..., Instance]


def test_one_session_too_many_is_turned_away_at_once(make_instance: Maker) -> None:
    most = {"service.imap.maxsessions": 3, "service.pop.maxsessions": 1, "service.lmtp.maxsessions": 1}
    instance = make_instance(**most)
    person = instance.add_user()
    sessions = [login(Line(instance.port(143)), person) for _ in range(3)]
    pop = Line(instance.port(110))
    pop.until(b"+OK")

    assert Line(instance.port(143)).readline().startswith(b"* BYE [UNAVAILABLE]")
    assert Line(instance.port(110)).readline().startswith(b"-ERR [SYS/TEMP]")
    lmtp = Line(instance.port(24))
    lmtp.until(b"220 ")
    assert Line(instance.port(24)).readline().startswith(b"421 4.3.2 ")

    # TLS clients are told as well, behind a handshake or by a closed connection, but not left to wait
    tls = socket.create_connection((HOST, instance.port(993)), timeout=30)
    try:
        secure = instance.tls().wrap_socket(tls, server_hostname="localhost")
        assert secure.recv(100).startswith(b"* BYE [UNAVAILABLE]")
    except OSError:
        pass
    for session in sessions:
        assert session.ask(b"NOOP").startswith(b"t1 OK")
    sessions[0].ask(b"LOGOUT")
    sessions[0].rest()
    assert login(Line(instance.port(143)), person).ask(b"NOOP").startswith(b"t1 OK")


def test_two_workers_share_the_sessions(make_instance: Maker) -> None:
    instance = make_instance(**{"service.imap.maxsessions": 2, "service.imap.numprocesses": 2})
    person = instance.add_user()
    sessions = [login(Line(instance.port(143)), person) for _ in range(4)]
    assert all(session.ask(b"NOOP").startswith(b"t1 OK") for session in sessions)
    assert Line(instance.port(143)).readline().startswith(b"* BYE [UNAVAILABLE]")


def test_commands_beyond_the_threads_wait_their_turn(make_instance: Maker) -> None:
    instance = make_instance(**{"service.imap.maxthreads": 2})
    person = instance.add_user()
    done = []

    def work() -> None:
        line = login(Line(instance.port(143)), person)
        for _ in range(5):
            message = letter("one of many")
            done.append(line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))[:5])
        line.close()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert done == [b"t1 OK"] * 60
    assert len(instance.messages(person)) == 60


def test_a_reload_keeps_sessions_and_takes_new_settings(make_instance: Maker) -> None:
    instance = make_instance()
    person = instance.add_user()
    old = login(Line(instance.port(143)), person)
    old.ask(b"SELECT INBOX")
    idler = login(Line(instance.port(143)), person)
    idler.ask(b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    idler.until(b"+")

    instance.nmsd("config", "set", "service.imap.banner", "changed banner")
    instance.nmsd("config", "set", "service.imap.numprocesses", "2")
    instance.nmsd("reload")

    assert old.ask(b"NOOP").startswith(b"t1 OK")
    fresh = Line(instance.port(143))
    assert b"changed banner" in fresh.readline()
    instance.append(person, [letter("after the reload")])
    assert idler.until(b"* 1 EXISTS")
    assert old.ask(b"FETCH 1 FLAGS").startswith((b"t1 OK", b"t1 BAD"))


def test_a_reload_with_a_wrong_file_changes_nothing(make_instance: Maker) -> None:
    instance = make_instance()
    person = instance.add_user()
    session = login(Line(instance.port(143)), person)
    good = instance.configuration.read_text()
    lines = [*good.splitlines(), "service.imap.banner = wrongly new", "imap.maxline = 1", "imap.maxlin = 1"]
    instance.configuration.write_text("\n".join(lines) + "\n")
    place, line = instance.configuration, len(lines)
    mend = "correct it, or remove it for the default 64K"
    problems = [
        f"{place}:{line - 1}: imap.maxline = 1: below what is allowed; allowed: a size from 1K to 16M; {mend}",
        f"{place}:{line}: imap.maxlin: there is no such setting; did you mean imap.maxline?",
    ]

    done = instance.nmsd("reload", check=False)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [f"nmsd: {problem}" for problem in problems]
    assert instance.process is not None
    instance.process.send_signal(signal.SIGHUP)

    workers = instance.workers()
    assert session.ask(b"NOOP").startswith(b"t1 OK")
    fresh = Line(instance.port(143))
    assert b"wrongly new" not in fresh.readline()
    for problem in problems:
        told = f'reload refused, the settings stay as they were problem="{problem}"'
        while instance.log().count(told) < 2:
            assert session.ask(b"NOOP").startswith(b"t1 OK")
    assert instance.workers() == workers
    instance.configuration.write_text(good)
    instance.nmsd("reload")


def test_a_stop_says_bye_to_everyone(make_instance: Maker) -> None:
    instance = make_instance()
    person = instance.add_user()
    session = login(Line(instance.port(143)), person)
    idler = login(Line(instance.port(143)), person)
    idler.ask(b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    idler.until(b"+")

    assert instance.stop() == 0

    assert session.readline().startswith(b"* BYE")
    assert idler.until(b"* BYE")
    assert session.rest() == b""


@pytest.mark.slow
def test_silent_clients_are_dropped(make_instance: Maker) -> None:
    instance = make_instance(
        **{
            "service.imap.idletimeout": 1,
            "service.pop.idletimeout": 1,
            "service.lmtp.idletimeout": 1,
            "imap.logintimeout": 10,
            "imap.idleheartbeat": 20,
        }
    )
    person = instance.add_user()
    stranger = Line(instance.port(143))
    stranger.until(b"* OK")
    silent = login(Line(instance.port(143)), person)
    idler = login(Line(instance.port(143)), person)
    idler.ask(b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    idler.until(b"+")
    pop = Line(instance.port(110))
    pop.until(b"+OK")
    lmtp = Line(instance.port(24))
    lmtp.until(b"220 ")
    for line in (stranger, silent, idler, pop, lmtp):
        line.socket.settimeout(110)

    assert stranger.readline().startswith(b"* BYE")
    assert idler.readline() == b"* OK Still here\r\n"
    assert silent.readline().startswith(b"* BYE")
    assert pop.rest() == b""  # RFC 1939 §3: without a word
    assert lmtp.rest().startswith(b"421 4.4.2 ")
    assert idler.until(b"* BYE")


def test_a_worker_that_dies_is_replaced_and_its_death_logged(make_instance: Maker, tmp_path: object) -> None:
    instance = make_instance()
    person = instance.add_user()
    before = set(instance.workers())
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    assert login(Line(instance.port(143)), person).ask(b"NOOP").startswith(b"t1 OK")
    assert not before & set(instance.workers())
    told = re.findall(r'worker died service=\w+ pid=(\d+) reason="killed by signal 9 \(SIGKILL\)"', instance.log())
    assert before <= {int(pid) for pid in told}


def test_a_person_added_while_it_runs_can_log_in_at_once(instance: Instance) -> None:
    for _ in range(3):
        person: Person = instance.add_user()
        instance.nmsd("deliver", person.address, input=letter("welcome"))
        assert len(instance.messages(person)) == 1
