"""mbsync (isync): a Maildir and the server brought to the same state, both ways."""

from __future__ import annotations

import mailbox
import subprocess
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter

pytestmark = pytest.mark.needs("mbsync")


class Sync:
    """One person's Maildir and how to synchronise it."""

    def __init__(self, instance: Instance, person: Person, home: Path) -> None:
        self.home = home
        self.maildirs = home / "mail"
        self.maildirs.mkdir()
        (home / "state").mkdir()
        (home / "mbsyncrc").write_text(
            f"""
IMAPAccount server
Host localhost
Port {instance.port(993)}
User {person.name}
Pass "{person.password}"
SSLType IMAPS
SystemCertificates no
CertificateFile {instance.certificate}

IMAPStore far
Account server

MaildirStore near
Path {self.maildirs}/
Inbox {self.maildirs}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState {home}/state/
"""
        )

    def __call__(self) -> None:
        done = subprocess.run(
            ["mbsync", "--config", str(self.home / "mbsyncrc"), "--all"],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def near(self, name: str = "INBOX") -> mailbox.Maildir:
        return mailbox.Maildir(self.maildirs / name)


@pytest.fixture
def sync(instance: Instance, person: Person, home: Path) -> Sync:
    return Sync(instance, person, home)


def test_mail_and_flags_come_down(instance: Instance, person: Person, sync: Sync) -> None:
    instance.append(person, [letter("first")], flags="(\\Seen)")
    instance.append(person, [letter("second")], flags="(\\Answered \\Flagged)")

    sync()

    flags = {message["Subject"]: message.get_flags() for message in sync.near()}
    assert flags == {"first": "S", "second": "FR"}


def test_mail_and_flags_go_up(instance: Instance, person: Person, sync: Sync) -> None:
    near = sync.near()
    message = mailbox.MaildirMessage(letter("written here").replace(b"\r\n", b"\n"))
    message.set_subdir("cur")
    message.set_flags("FS")
    near.add(message)

    sync()

    [(content, flags)] = instance.messages(person)
    assert b"Subject: written here\r\n" in content
    assert {"\\Seen", "\\Flagged"} <= flags


def test_changes_on_both_sides_meet(instance: Instance, person: Person, sync: Sync) -> None:
    first, second, third = instance.append(person, [letter("first"), letter("second"), letter("third")])
    sync()

    with instance.imap(person) as client:
        client.select()
        client.uid("STORE", str(first), "+FLAGS", "(\\Seen)")
        client.uid("STORE", str(second), "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.append("INBOX", "", None, letter("new on the server"))
    near = sync.near()
    for key, message in near.items():
        if message["Subject"] == "third":
            near.discard(key)
    near.add(letter("new in the Maildir").replace(b"\r\n", b"\n"))
    sync()
    sync()  # what one run has propagated, the next one has nothing to do with

    on_server = {
        content.split(b"Subject: ")[1].split(b"\r\n")[0]: flags for content, flags in instance.messages(person)
    }
    assert set(on_server) == {b"first", b"new on the server", b"new in the Maildir"}
    assert "\\Seen" in on_server[b"first"]
    assert {message["Subject"] for message in sync.near()} == {"first", "new on the server", "new in the Maildir"}
    assert third > second


def test_folders_are_made_on_both_sides(instance: Instance, person: Person, sync: Sync) -> None:
    with instance.imap(person) as client:
        client.create("Projects")
        client.append("Projects", "", None, letter("a project"))
    mailbox.Maildir(sync.maildirs / "Local").add(letter("local").replace(b"\r\n", b"\n"))

    sync()

    assert [message["Subject"] for message in sync.near("Projects")] == ["a project"]
    assert len(instance.messages(person, "Local")) == 1


def test_a_second_run_changes_nothing(instance: Instance, person: Person, sync: Sync) -> None:
    instance.append(person, [letter(f"number {number}") for number in range(20)])
    sync()
    before = sorted(path.name for path in (sync.maildirs / "INBOX").rglob("*,*"))

    sync()

    assert sorted(path.name for path in (sync.maildirs / "INBOX").rglob("*,*")) == before
    assert len(instance.messages(person)) == 20
