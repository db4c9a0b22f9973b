"""fetchmail takes mail over POP3 and IMAP, with TLS checked against the server's certificate, and hands it on."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter

pytestmark = pytest.mark.needs("fetchmail")

# protocol, the registered port, options that choose the kind of TLS
WAYS = [
    ("pop3", 995, "ssl"),
    ("pop3", 110, "sslproto tls1.2+"),
    ("imap", 993, "ssl"),
    ("imap", 143, "sslproto tls1.2+"),
]
ALL_TAKEN, NONE_THERE = 0, 1


def fingerprint(certificate: Path) -> str:
    digest = hashlib.md5(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest().upper()
    return ":".join(digest[index : index + 2] for index in range(0, 32, 2))


def fetch(
    instance: Instance, person: Person, home: Path, way: tuple[str, int, str], more: str = ""
) -> tuple[int, bytes]:
    """Runs fetchmail once; gives its exit status and what it handed to the delivery agent."""
    protocol, port, tls = way
    agent = home / "deliver"
    agent.write_text(f"#!/bin/sh\ncat >> {home}/taken\n")
    agent.chmod(0o700)
    configuration = home / "fetchmailrc"
    configuration.write_text(
        f"poll localhost protocol {protocol} port {instance.port(port)} {'uidl' if protocol == 'pop3' else ''}\n"
        f'  username "{person.name}" password "{person.password}"\n'
        f'  {tls} sslcertck sslcertfile {instance.certificate} sslfingerprint "{fingerprint(instance.certificate)}"\n'
        f'  mda "{agent}" {more}\n'
    )
    configuration.chmod(0o600)
    done = subprocess.run(
        ["fetchmail", "--fetchmailrc", str(configuration), "--nosyslog", "--nodetach", "--pidfile", str(home / "pid")],
        capture_output=True,
        timeout=100,
        check=False,
        env={"HOME": str(home), "FETCHMAILHOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    assert done.returncode in (ALL_TAKEN, NONE_THERE), done.stdout.decode() + done.stderr.decode()
    taken = home / "taken"
    return done.returncode, taken.read_bytes() if taken.exists() else b""


@pytest.mark.parametrize("way", WAYS, ids=["pop3s", "pop3-stls", "imaps", "imap-starttls"])
def test_fetchmail_takes_everything_and_empties_the_mailbox(
    instance: Instance, person: Person, home: Path, way: tuple[str, int, str]
) -> None:
    instance.append(person, [letter("first", "One.\r\n"), letter("second", "Zwei für dich.\r\n"), letter("third")])

    status, taken = fetch(instance, person, home, way, "fetchall nokeep")

    assert status == ALL_TAKEN
    assert [line for line in taken.splitlines() if line.startswith(b"Subject:")] == [
        b"Subject: first",
        b"Subject: second",
        b"Subject: third",
    ]
    assert "Zwei für dich.".encode() in taken
    assert instance.messages(person) == []


@pytest.mark.parametrize("way", [WAYS[0], WAYS[2]], ids=["pop3s", "imaps"])
def test_fetchmail_with_keep_takes_each_message_once(
    instance: Instance, person: Person, home: Path, way: tuple[str, int, str]
) -> None:
    instance.append(person, [letter("first")])
    assert fetch(instance, person, home, way, "keep")[0] == ALL_TAKEN
    instance.append(person, [letter("second")])

    status, taken = fetch(instance, person, home, way, "keep")

    assert status == ALL_TAKEN
    assert taken.count(b"Subject: first") == taken.count(b"Subject: second") == 1
    assert len(instance.messages(person)) == 2
    assert fetch(instance, person, home, way, "keep")[0] == NONE_THERE
