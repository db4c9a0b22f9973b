"""A full disk: APPEND and LMTP say so, nothing is damaged, and all goes on once there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Line, Person, login
from tests.clients.letters import letter
from tests.conftest import missing

SIZE = "24m"
BODY = "x" * 78 + "\r\n"


@pytest.fixture
def instance(make_instance: Callable[..., Instance]) -> Iterator[Instance]:
    """A server whose store is on a small file system of its own."""
    instance = make_instance(start=False)
    store = instance.directory / "store"
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "nmsd-test", str(store)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        missing("the right to mount a small file system")
    try:
        instance.start()
        yield instance
        instance.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(store)], check=True)


def fill(store: Path) -> Path:
    """Leaves no room."""
    ballast = store / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


def test_append_is_refused_and_the_mailbox_is_intact(instance: Instance) -> None:
    person = instance.add_user()
    before = [letter(f"before {number}", BODY * 100) for number in range(20)]
    instance.append(person, before)
    ballast = fill(instance.directory / "store")

    line = login(Line(instance.port(143)), person)
    large = letter("too much", BODY * 20_000)
    answers = [line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(large), large)) for _ in range(3)]

    assert answers == [b"t1 NO [UNAVAILABLE] Storage is full, try again later\r\n"] * 3
    assert "Warning: " in instance.log()
    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    assert [message for message, _ in instance.messages(person)] == before
    ballast.unlink()
    small = letter("after")
    assert line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(small), small)).startswith(b"t1 OK")
    assert [message for message, _ in instance.messages(person)] == [*before, small]
    assert instance.nmsd("check").returncode == 0


def test_delivery_is_put_off(instance: Instance) -> None:
    person = instance.add_user()
    instance.append(person, [letter("before")])
    ballast = fill(instance.directory / "store")

    # RFC 5321 §4.2.3: "insufficient system storage"; RFC 3463 §3.4: "mail system full".
    full = b"452 4.3.1 Storage is full, try again later\r\n"
    assert deliver(instance, person, letter("too much", BODY * 20_000)) == full
    assert instance.nmsd("deliver", person.name, input=letter("x", BODY * 20_000), check=False).returncode == 75
    ballast.unlink()
    assert deliver(instance, person, letter("after")).startswith(b"250 ")
    assert len(instance.messages(person)) == 2
    assert instance.nmsd("check").returncode == 0


def deliver(instance: Instance, person: Person, message: bytes) -> bytes:
    """Delivers by LMTP; the final answer."""
    line = Line(instance.port(24))
    line.until(b"220")
    line.send(b"LHLO test\r\n")
    line.until(b"250 ")
    line.send(f"MAIL FROM:<carol@example.org>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n".encode())
    line.until(b"354")
    line.send(message + b".\r\n")
    answer = line.readline()
    line.close()
    return answer
