"""Clients that vanish: what they held is given back, be it a place, a file or a thread."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from tests.clients.harness import Instance, Line, Person, login
from tests.clients.letters import letter

RESET = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER: close with a reset, as a machine does that has lost its memory."""


def vanish(line: Line) -> None:
    """The client is gone, without a word."""
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    line.close()


def await_that(condition: Callable[[], bool]) -> None:
    """Looks until it holds, for half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def spools(instance: Instance) -> int:
    """How many temporary files, which have no name any more, the workers hold."""
    found = 0
    for pid in instance.workers():
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue  # closed meanwhile
            found += target.endswith("(deleted)") and not target.startswith(("/memfd:", "/dev/"))
    return found


def test_the_places_and_files_of_clients_that_vanish_are_free_again(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance(**{"service.imap.maxsessions": 3})
    person = instance.add_user()
    instance.append(person, [letter("large", ("y" * 78 + "\r\n") * 130_000)])
    before = spools(instance)
    in_literal, in_idle, in_fetch = (login(Line(instance.port(143)), person) for _ in range(3))
    in_literal.send(b"a APPEND INBOX {5000000+}\r\n" + b"x" * 3_000_000)
    await_that(lambda: spools(instance) == before + 1)
    in_idle.ask(b"SELECT INBOX")
    in_idle.send(b"i IDLE\r\n")
    in_idle.until(b"+")
    in_fetch.ask(b"SELECT INBOX")
    in_fetch.send(b"f FETCH 1 BODY.PEEK[]\r\n" * 10)  # 100 MB
    in_fetch.until(b"* 1 FETCH")

    for line in (in_literal, in_idle, in_fetch):
        vanish(line)

    await_that(lambda: spools(instance) == before)
    await_that(lambda: is_served(instance))
    sessions = [login(Line(instance.port(143)), person) for _ in range(3)]
    assert sessions[0].ask(b"STATUS INBOX (MESSAGES)").startswith(b"t1 OK")
    assert len(inbox(sessions[1])) == 1


def is_served(instance: Instance) -> bool:
    """Whether there is room for three."""
    lines = [Line(instance.port(143)) for _ in range(3)]
    served = all(line.readline().startswith(b"* OK") for line in lines)
    for line in lines:
        if served:
            line.ask(b"LOGOUT")
            line.rest()
        line.close()
    return served


def inbox(line: Line) -> list[bytes]:
    """The UIDs in the INBOX."""
    line.ask(b"SELECT INBOX")
    line.send(b"s UID SEARCH ALL\r\n")
    return line.until(b"* SEARCH").split()[2:]


def test_a_delivery_that_breaks_off_in_a_large_message_gives_its_file_back(instance: Instance, person: Person) -> None:
    before = spools(instance)
    line = Line(instance.port(24))
    line.until(b"220")
    line.send(f"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n".encode())
    line.until(b"354")
    line.send(b"Subject: half\r\n\r\n" + b"z" * 3_000_000)
    await_that(lambda: spools(instance) == before + 1)

    vanish(line)

    await_that(lambda: spools(instance) == before)
    assert instance.messages(person) == []
