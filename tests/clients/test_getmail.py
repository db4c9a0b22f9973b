"""getmail takes mail over POP3 and IMAP, hands it to a delivery agent and remembers what it has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter

GETMAIL = Path(sys.executable).with_name("getmail")
KINDS = {"SimplePOP3SSLRetriever": 995, "SimpleIMAPSSLRetriever": 993}


@pytest.fixture(autouse=True)
def _getmail() -> None:
    if not GETMAIL.exists():
        from tests.conftest import missing

        missing("getmail6")


def take(instance: Instance, person: Person, home: Path, kind: str, *, delete: bool) -> list[str]:
    """Runs getmail once; gives the subjects of all it has ever taken."""
    agent = home / "deliver"
    agent.write_text(f"#!/bin/sh\ncat >> {home}/taken\n")
    agent.chmod(0o700)
    mailboxes = 'mailboxes = ("INBOX",)\n' if "IMAP" in kind else ""
    (home / "getmailrc").write_text(
        f"[retriever]\ntype = {kind}\nserver = localhost\nport = {instance.port(KINDS[kind])}\n"
        f"username = {person.name}\npassword = {person.password}\nca_certs = {instance.certificate}\n{mailboxes}"
        f"[destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n"
        f"[options]\nread_all = false\ndelete = {str(delete).lower()}\nverbose = 0\n"
    )
    done = subprocess.run(
        [sys.executable, str(GETMAIL), "--getmaildir", str(home), "--rcfile", "getmailrc"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (home / "taken").read_text().splitlines()
    return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]


@pytest.mark.parametrize("kind", KINDS)
def test_getmail_takes_each_message_once(instance: Instance, person: Person, home: Path, kind: str) -> None:
    instance.append(person, [letter("first"), letter("second")])
    assert take(instance, person, home, kind, delete=False) == ["first", "second"]
    instance.append(person, [letter("third")])

    assert take(instance, person, home, kind, delete=False) == ["first", "second", "third"]
    assert len(instance.messages(person)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_getmail_deletes_what_it_has_taken(instance: Instance, person: Person, home: Path, kind: str) -> None:
    instance.append(person, [letter("first"), letter("second")])

    assert take(instance, person, home, kind, delete=True) == ["first", "second"]
    assert instance.messages(person) == []
