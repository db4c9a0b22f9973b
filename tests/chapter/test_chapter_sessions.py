"""Processes, threads and sessions against their maxima, as clients meet them."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.chapter.conftest import IMAP, POP, Chapter, Client, Service
from tests.clients.harness import Person
from tests.clients.letters import letter

LARGE_LINES = 100_000  # 8 MB, of which the kernel's send buffer (net.ipv4.tcp_wmem) takes half at most


@pytest.fixture(scope="module")
def person(chapter: Chapter) -> Person:
    """A user whose sessions nobody else has."""
    return chapter.instance.add_user("counted")


def sessions(chapter: Chapter, service: Service) -> list[dict[str, Any]]:
    """The table of sessions."""
    found: list[dict[str, Any]] = json.loads(
        chapter.nmsd("sessions", "list", "--service", service.name, "--json").output
    )
    return found


def ended(client: Client) -> bytes:
    """What a session hears that is ended: all that comes until the server closes."""
    client.socket.settimeout(30)
    return client.rest()


def test_as_many_processes_serve_as_are_wanted(chapter: Chapter, service: Service) -> None:
    chapter.both(numprocesses=2, maxsessions=1)
    clients = [chapter.connect(service).greeted() for _ in range(2)]
    workers = {session["id"].rpartition("-")[0] for session in sessions(chapter, service)}
    assert len(workers) == 2
    assert len({worker["pid"] for worker in chapter.status(service)["workers"] if worker["state"] != "draining"}) == 2
    for client in clients:
        client.login(chapter.person) if service is IMAP else None
        client.leave()


def test_one_session_more_than_may_be_is_turned_away_at_once(chapter: Chapter, service: Service) -> None:
    chapter.both(maxsessions=2)
    clients = [chapter.connect(service).greeted() for _ in range(2)]
    assert chapter.connect(service).readline().startswith(service.busy)
    secure = chapter.connect(service, tls=True)
    assert secure.readline().startswith(service.busy)
    clients[0].leave()
    # its place is free a moment after its connection is closed
    while not (line := chapter.connect(service).readline()).startswith(service.good):
        assert line.startswith(service.busy)
    clients[1].leave()


def test_a_slow_command_holds_up_nobody_and_at_the_maximum_commands_wait_while_sessions_stay_open(
    chapter: Chapter, service: Service
) -> None:
    chapter.both(maxthreads=1, maxsessionsperuser=0)
    users = [chapter.instance.add_user(f"{service}-{what}") for what in ("slow", "waiting", "quick")]
    chapter.instance.append(users[0], [letter("large", ("y" * 78 + "\r\n") * LARGE_LINES)])
    chapter.instance.append(users[1], [letter("small")])
    slow, waiting, quick = (chapter.connect(service).greeted().login(user) for user in users)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    if service is IMAP:
        slow.ask(b"SELECT INBOX")
        waiting.ask(b"SELECT INBOX")
        slow.send(b"f FETCH 1 BODY.PEEK[]\r\n" * 20)
        slow.until(b"* 1 FETCH")
        waiting.send(b"t1 FETCH 1 BODY.PEEK[]\r\n")
    else:
        slow.send(b"RETR 1\r\n" * 20)
        slow.until(b"+OK")
        waiting.send(b"RETR 1\r\n")
    # It has begun, and takes the one thread until it is read to its end.  What must not wait is answered meanwhile.
    for _ in range(3):
        assert quick.works()
        chapter.connect(service).greeted().close()
    waiting.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        waiting.socket.recv(1)
    waiting.socket.settimeout(60)
    slow.close()
    assert waiting.readline().startswith((b"* 1 FETCH", b"+OK"))


def test_a_users_session_too_many_takes_the_place_of_the_longest_idle_one(chapter: Chapter, person: Person) -> None:
    chapter.both(maxsessionsperuser=3, numprocesses=2)
    clients = []
    for _ in range(3):
        clients.append(chapter.connect(IMAP).greeted().login(person))
    idler = clients[0]
    idler.ask(b"SELECT INBOX")
    idler.send(b"i IDLE\r\n")
    idler.until(b"+")
    typing = clients[1]
    typing.send(b"t1 APPEND INBOX {1000}\r\n")
    typing.until(b"+")
    fourth = chapter.connect(IMAP).greeted().login(person)
    assert ended(clients[2]) == b"* BYE A newer session of yours takes the place of this one\r\n"
    # Now one is in the middle of a command, one in IDLE and one silent.
    fifth = chapter.connect(IMAP).greeted().login(person)
    assert ended(fourth).startswith(b"* BYE A newer session")
    message = letter("finished").ljust(1000)
    assert len(message) == 1000
    typing.send(message + b"\r\n")
    assert typing.until(b"t1 ").startswith(b"t1 OK")
    assert idler.until(b"* 1 EXISTS")
    assert fifth.works()
    assert len([each for each in sessions(chapter, IMAP) if each["user"] == person.address]) == 3
    logged = (chapter.instance.directory / "log/imap.log").read_text()
    assert "retired for a newer session" in logged
    for client in (idler, typing, fifth):
        client.close()


def test_where_all_of_a_users_sessions_are_busy_a_further_login_is_refused(chapter: Chapter, person: Person) -> None:
    chapter.both(maxsessionsperuser=1, numprocesses=2)
    busy = chapter.connect(IMAP).greeted().login(person)
    busy.send(b"t1 APPEND INBOX {10}\r\n")
    busy.until(b"+")
    refused = chapter.connect(IMAP).greeted()
    assert refused.try_login(person).startswith(b"t1 NO [LIMIT] You have too many sessions")
    busy.send(b"0123456789\r\n")
    busy.until(b"t1 ")
    assert refused.login(person).works()
    assert ended(busy).startswith(b"* BYE A newer session")
    refused.close()


def test_a_maildrop_is_taken_over_from_a_session_that_was_silent_for_long(chapter: Chapter, person: Person) -> None:
    chapter.settings(service__pop__retireidle=3600)
    first = chapter.connect(POP).greeted().login(person)
    assert chapter.connect(POP).greeted().try_login(person).startswith(b"-ERR [IN-USE]")
    chapter.settings(service__pop__retireidle=0)
    second = chapter.connect(POP).greeted().login(person)
    assert ended(first) == b"-ERR [SYS/TEMP] A newer session of yours takes the place of this one\r\n"
    chapter.settings(service__pop__retireidle=0, service__pop__maxsessionsperuser=0)
    assert chapter.connect(POP).greeted().try_login(person).startswith(b"-ERR [IN-USE]")
    assert second.works()
    second.leave()


def test_an_addresss_session_too_many_takes_the_place_of_the_longest_idle_one(
    chapter: Chapter, service: Service
) -> None:
    chapter.both(maxsessionsperaddress=2, numprocesses=2, retireidle=0)
    here = [chapter.connect(service, source="127.0.0.9").greeted() for _ in range(2)]
    elsewhere = chapter.connect(service, source="127.0.0.8").greeted()
    third = chapter.connect(service, source="127.0.0.9").greeted()
    gone, there = sorted(here, key=lambda client: not is_closed(client))
    assert b"A newer session from your address takes the place of this one" in ended(gone)
    assert not is_closed(there)
    # Two in the middle of a command: nobody can go.
    for client in (there, third):
        client.send(b"a CAPA")
    while sum(each["working"] or each["received"] for each in sessions(chapter, service)) < 2:
        pass
    assert chapter.connect(service, source="127.0.0.9").readline().startswith(service.busy)
    chapter.both(maxsessionsperaddress=0, numprocesses=2, retireidle=0)
    more = [chapter.connect(service, source="127.0.0.9").greeted() for _ in range(3)]
    for client in (*more, there, third, elsewhere):
        assert not is_closed(client)
        client.close()


def is_closed(client: Client) -> bool:
    """Whether the server has ended it."""
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    finally:
        client.socket.settimeout(60)
