"""Postfix as it would stand before nmsd: mail comes in by SMTP and is delivered by LMTP, over a socket and over TCP."""

from __future__ import annotations

import os
import pwd
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.harness import DOMAIN, HOST, Instance, Person, instance_directory
from tests.clients.letters import letter
from tests.conftest import require

pytestmark = [
    pytest.mark.needs("postfix"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix starts as root only"),
]

MASTER = """
{smtp} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of its own, with its configuration, queue and log in `directory`, delivering to `transport`."""

    def __init__(self, directory: Path, transport: str) -> None:
        self.configuration = directory / "etc"
        self.log = directory / "postfix.log"
        self.port = free_port()
        self.configuration.mkdir(parents=True)
        (directory / "queue").mkdir()
        (directory / "data").mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(directory / "data", owner.pw_uid, owner.pw_gid)
        (self.configuration / "main.cf").write_text(
            f"""
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {self.log}
maillog_file_prefixes = {directory}
inet_interfaces = {HOST}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mx.{DOMAIN}
mydestination =
alias_maps =
alias_database =
virtual_mailbox_domains = {DOMAIN}
virtual_transport = {transport}
smtputf8_enable = yes
smtpd_relay_restrictions = permit_mynetworks, reject
notify_classes =
bounce_queue_lifetime = 0
"""
        )
        (self.configuration / "master.cf").write_text(MASTER.format(smtp=f"{HOST}:{self.port}"))

    def __enter__(self) -> Postfix:
        self._postfix("start")
        return self

    def __exit__(self, *error: object) -> None:
        self._postfix("abort")

    def flush(self) -> None:
        """Tries to deliver all there is, now."""
        self._postfix("flush")

    def _postfix(self, word: str) -> None:
        command = [require("postfix"), "-c", str(self.configuration), word]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        logged = self.log.read_text() if self.log.exists() else ""
        assert done.returncode == 0, done.stdout + done.stderr + logged


@pytest.fixture(params=["socket", "tcp"])
def postfix(instance: Instance, request: pytest.FixtureRequest) -> Iterator[Postfix]:
    socket_path = instance.directory / "run/lmtp.sock"
    # Postfix delivers as an unprivileged user, who must be let through to the socket.
    (instance.directory / "run").chmod(0o711)
    instance.directory.chmod(0o711)
    transport = f"lmtp:unix:{socket_path}" if request.param == "socket" else f"lmtp:inet:{HOST}:{instance.port(24)}"
    with instance_directory() as directory, Postfix(directory, transport) as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def send(postfix: Postfix, recipients: list[str], message: bytes) -> None:
    with smtplib.SMTP(HOST, postfix.port, timeout=60) as client:
        client.sendmail("carol@example.org", recipients, message)


def await_mail(instance: Instance, person: Person, count: int, mailbox: str = "INBOX") -> list[bytes]:
    """The messages in a mailbox, once there are `count`: IDLE tells when that is."""
    with instance.imap(person) as client:
        client.select(mailbox)
        exists = int(client.untagged_responses["EXISTS"][-1])
        client.send(b"x IDLE\r\n")
        while exists < count:
            line = client.readline()
            assert line, "the server hung up"
            if line.endswith(b" EXISTS\r\n"):
                exists = int(line.split()[1])
        client.send(b"DONE\r\n")
        while not client.readline().startswith(b"x OK"):
            pass
    return [content for content, _ in instance.messages(person, mailbox)]


def test_mail_sent_to_postfix_arrives_in_the_mailbox(instance: Instance, postfix: Postfix) -> None:
    person = instance.add_user()

    send(postfix, [person.address], letter("by SMTP", "Grüße\r\n.\r\n..\r\n"))

    [message] = await_mail(instance, person, 1)
    assert message.startswith(b"Return-Path: <carol@example.org>\r\n")
    assert b"\r\nSubject: by SMTP\r\n" in message
    assert message.endswith("\r\n\r\nGrüße\r\n.\r\n..\r\n".encode())
    assert message.count(b"\r\nReceived: ") == 2  # Postfix's and ours


def test_one_message_for_many_and_a_stranger(instance: Instance, postfix: Postfix) -> None:
    people = [instance.add_user() for _ in range(3)]

    send(postfix, [person.address for person in people] + [f"nobody-known@{DOMAIN}"], letter("for all"))

    for person in people:
        [message] = await_mail(instance, person, 1)
        assert b"Subject: for all" in message
    # Postfix may still be writing; deliver once more, then its log is complete for the first.
    send(postfix, [people[0].address], letter("after"))
    await_mail(instance, people[0], 2)
    refused = [line for line in postfix.log.read_text().splitlines() if "nobody-known" in line and "status=" in line]
    assert "status=bounced" in refused[0]
    assert "550 5.1.1" in refused[0]


def test_subaddresses_reach_their_folder(instance: Instance, postfix: Postfix) -> None:
    person = instance.add_user()
    with instance.imap(person) as client:
        client.create("lists")

    send(postfix, [f"{person.name}+lists@{DOMAIN}"], letter("to a folder"))

    [message] = await_mail(instance, person, 1, "lists")
    assert b"Subject: to a folder" in message


def test_a_hundred_messages_arrive_once_each(instance: Instance, postfix: Postfix) -> None:
    person = instance.add_user()
    with smtplib.SMTP(HOST, postfix.port, timeout=60) as client:
        for number in range(100):
            client.sendmail("carol@example.org", [person.address], letter(f"number {number}"))

    messages = await_mail(instance, person, 100)

    subjects = {line for message in messages for line in message.split(b"\r\n") if line.startswith(b"Subject:")}
    assert len(subjects) == len(messages) == 100
