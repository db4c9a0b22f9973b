"""curl over IMAP, IMAPS, POP3 and POP3S: lists, fetches, uploads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter

pytestmark = pytest.mark.needs("curl")


def curl(instance: Instance, person: Person, url: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Runs curl as this person, trusting the server's certificate alone."""
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", str(instance.certificate)]
        + ["--user", f"{person.name}:{person.password}", url, *options],
        capture_output=True,
        timeout=60,
        check=False,
    )


def output(done: subprocess.CompletedProcess[bytes]) -> bytes:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_curl_lists_the_mailboxes_over_imaps(instance: Instance, person: Person) -> None:
    with instance.imap(person) as client:
        client.create("Projects")

    listed = output(curl(instance, person, f"imaps://localhost:{instance.port(993)}/"))

    names = {line.rpartition(b" ")[2].strip(b'"') for line in listed.splitlines()}
    assert {b"INBOX", b"Projects"} <= names


def test_curl_uploads_a_message_and_fetches_the_same_bytes(instance: Instance, person: Person, tmp_path: Path) -> None:
    message = letter("uploaded", "Grüße\r\n")
    (tmp_path / "message").write_bytes(message)
    inbox = f"imaps://localhost:{instance.port(993)}/INBOX"

    output(curl(instance, person, inbox, "--upload-file", str(tmp_path / "message")))

    assert output(curl(instance, person, inbox + ";UID=1")) == message
    assert output(curl(instance, person, inbox + ";UID=1;SECTION=TEXT")) == "Grüße\r\n".encode()


def test_curl_searches_by_a_query(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("apples"), letter("pears"), letter("apples and pears")])

    found = output(curl(instance, person, f"imaps://localhost:{instance.port(993)}/INBOX?SUBJECT%20apples"))

    assert found == b"* SEARCH 1 3\r\n"


def test_curl_uses_starttls_on_the_plain_port(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("over STARTTLS")])

    url = f"imap://localhost:{instance.port(143)}/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)"

    assert b"Subject: over STARTTLS" in output(curl(instance, person, url, "--ssl-reqd"))


def test_curl_sends_a_command_of_its_own(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("one"), letter("two")])
    url = f"imaps://localhost:{instance.port(993)}/INBOX"

    output(curl(instance, person, url, "--request", "STORE 1 +Flags \\Deleted"))
    output(curl(instance, person, url, "--request", "EXPUNGE"))

    assert [b"two" in message for message, _ in instance.messages(person)] == [True]


@pytest.mark.parametrize("scheme", ["pop3s", "pop3"])
def test_curl_lists_and_retrieves_over_pop3(instance: Instance, person: Person, scheme: str) -> None:
    message = letter("for POP", ".a line with a dot\r\n")
    instance.append(person, [message])
    url = f"{scheme}://localhost:{instance.port(995 if scheme == 'pop3s' else 110)}/"

    listed = output(curl(instance, person, url, "--ssl-reqd"))
    fetched = output(curl(instance, person, url + "1", "--ssl-reqd"))

    assert listed.split() == [b"1", str(len(message)).encode()]
    assert fetched == message


def test_curl_is_told_that_the_password_is_wrong(instance: Instance, person: Person) -> None:
    wrong = Person(person.name, "not this")

    assert curl(instance, wrong, f"imaps://localhost:{instance.port(993)}/").returncode == 67
