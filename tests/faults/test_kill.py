"""kill -9 in the middle of sixteen concurrent appenders: what was acknowledged is there, and the store is sound."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from tests.clients.harness import Instance, Line, Person, appended_uid, login
from tests.clients.letters import letter

APPENDERS = 16
ACCOUNTS = 4
ENOUGH = 300  # acknowledged messages before the kill


class Appender(threading.Thread):
    """Appends until the connection breaks; knows what was sent and what was acknowledged under which UID."""

    def __init__(self, instance: Instance, person: Person, number: int, count: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.person = person
        self.sent: list[bytes] = []
        self.acknowledged: dict[int, bytes] = {}
        self.refused: list[bytes] = []
        self._number = number
        self._count = count
        self._line = login(Line(instance.port(143)), person)

    def run(self) -> None:
        try:
            while True:
                text = f"appender {self._number}, message {len(self.sent)}\r\n" * (1 + len(self.sent) % 200)
                message = letter(f"appender {self._number}", text)
                self.sent.append(message)
                answer = self._line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))
                if not answer.startswith(b"t1 OK "):
                    self.refused.append(answer)
                    return
                self.acknowledged[appended_uid(answer.removeprefix(b"t1 OK "))] = message
                self._count.release()
        except (OSError, AssertionError):
            pass  # the server is gone
        finally:
            self._line.close()


class Deliverer(threading.Thread):
    """Delivers by LMTP until the connection breaks; knows what was answered with 250."""

    def __init__(self, instance: Instance, person: Person, number: int, count: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.person = person
        self.acknowledged: list[bytes] = []
        self._number = number
        self._count = count
        self._line = Line(instance.port(24))

    def run(self) -> None:
        try:
            self._line.until(b"220 ")
            self._line.send(b"LHLO test\r\n")
            self._line.until(b"250 ")
            while True:
                subject = f"deliverer {self._number}, message {len(self.acknowledged)}"
                message = letter(subject, f"{subject}\r\n" * (1 + len(self.acknowledged) % 200))
                self._line.send(f"MAIL FROM:<>\r\nRCPT TO:<{self.person.address}>\r\nDATA\r\n".encode())
                self._line.until(b"354 ")
                self._line.send(message + b".\r\n")
                self._line.until(b"250 ")
                self.acknowledged.append(message.partition(b"From: ")[2])  # LMTP puts its own trace before that
                self._count.release()
        except (OSError, AssertionError):
            pass  # the server is gone
        finally:
            self._line.close()


def kill_worker(instance: Instance, service: bytes = b"imap") -> None:
    """Kills the worker that serves IMAP, or another service."""
    for pid in instance.workers():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if service in words:
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError(f"no worker serves {service!r}")


def kill_supervisor(instance: Instance) -> None:
    """Kills the supervisor; its workers end by themselves.  Then starts the server again."""
    instance.kill()
    instance.start()


@pytest.mark.parametrize("kill", [kill_worker, kill_supervisor])
def test_what_was_acknowledged_survives(
    make_instance: Callable[..., Instance], kill: Callable[[Instance], None]
) -> None:
    instance = make_instance()
    people = [instance.add_user() for _ in range(ACCOUNTS)]
    count = threading.Semaphore(0)
    appenders = [Appender(instance, people[number % ACCOUNTS], number, count) for number in range(APPENDERS)]
    for appender in appenders:
        appender.start()
    for _ in range(ENOUGH):
        assert count.acquire(timeout=60)

    kill(instance)
    for appender in appenders:
        appender.join(60)
        assert not appender.is_alive()
        assert appender.refused == []

    for person in people:
        mine = [appender for appender in appenders if appender.person is person]
        stored = fetch_all(instance, person)
        acknowledged = {uid: message for appender in mine for uid, message in appender.acknowledged.items()}
        assert {uid: stored.get(uid) for uid in acknowledged} == acknowledged
        sent = {message for appender in mine for message in appender.sent}
        assert set(stored.values()) <= sent, "a message is there that is not whole"
        assert len(set(stored.values())) == len(stored), "a message is there twice"
    assert instance.nmsd("check").returncode == 0
    # and it takes mail as before, under new UIDs
    [uid] = instance.append(people[0], [letter("after")])
    assert uid > max(fetch_all(instance, people[0], below=uid))


def test_what_was_delivered_survives(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance()
    people = [instance.add_user() for _ in range(ACCOUNTS)]
    for kill in (lambda instance: kill_worker(instance, b"lmtp"), kill_supervisor):
        count = threading.Semaphore(0)
        deliverers = [Deliverer(instance, people[number % ACCOUNTS], number, count) for number in range(APPENDERS)]
        for deliverer in deliverers:
            deliverer.start()
        for _ in range(ENOUGH // 2):
            assert count.acquire(timeout=60)

        kill(instance)
        for deliverer in deliverers:
            deliverer.join(60)
            assert not deliverer.is_alive()

        for person in people:
            stored = [message.partition(b"From: ")[2] for message, _ in instance.messages(person)]
            assert len(set(stored)) == len(stored), "a message is there twice"
            for deliverer in deliverers:
                if deliverer.person is person:
                    assert set(deliverer.acknowledged) <= set(stored)
        assert instance.nmsd("check").returncode == 0


def fetch_all(instance: Instance, person: Person, below: int | None = None) -> dict[int, bytes]:
    """All messages by UID."""
    with instance.imap(person) as client:
        client.select(readonly=True)
        _, data = client.uid("FETCH", f"1:{below - 1}" if below else "1:*", "(BODY.PEEK[])")
    found = {}
    for part in data:
        if isinstance(part, tuple):
            words = part[0].split()
            found[int(words[words.index(b"(UID") + 1])] = part[1]
    return found
