"""Every odd message comes back byte for byte: those that ship with CPython for its e-mail package's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import test.test_email
from imapclient import IMAPClient

from tests.clients.harness import Instance, Person
from tests.conftest import missing

DATA = Path(test.test_email.__file__).parent / "data"


def with_crlf(data: bytes) -> bytes:
    """What a client would send: every line ended by CRLF."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def connect(instance: Instance, person: Person) -> IMAPClient:
    client = IMAPClient("localhost", instance.port(993), ssl_context=instance.tls(), timeout=60)
    client.login(person.name, person.password)
    client.select_folder("INBOX", readonly=True)
    return client


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    if not DATA.is_dir():
        missing("Python's own test data (libpython3-testsuite)")
    return {path.name: with_crlf(path.read_bytes()) for path in sorted(DATA.glob("msg_*.txt"))}


def test_append_then_fetch_gives_the_same_bytes(instance: Instance, person: Person, samples: dict[str, bytes]) -> None:
    assert len(samples) > 40
    uids = instance.append(person, list(samples.values()))

    with connect(instance, person) as client:
        for (name, message), uid in zip(samples.items(), uids, strict=True):
            data = client.fetch([uid], ["RFC822.SIZE", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]"])[uid]
            assert data[b"BODY[]"] == message, name
            assert data[b"BODY[HEADER]"] + data[b"BODY[TEXT]"] == message, name
            assert data[b"RFC822.SIZE"] == len(message), name


def test_every_structure_is_readable(instance: Instance, person: Person, samples: dict[str, bytes]) -> None:
    instance.append(person, list(samples.values()))
    with connect(instance, person) as client:
        fetched = client.fetch(client.search(), ["ENVELOPE", "BODYSTRUCTURE", "BODY"])
    assert len(fetched) == len(samples)


def test_pop3_gives_the_same_bytes(instance: Instance, person: Person, samples: dict[str, bytes]) -> None:
    whole = {name: message for name, message in samples.items() if message.endswith(b"\r\n")}
    instance.append(person, list(whole.values()))
    client = instance.pop(person)
    for number, (name, message) in enumerate(whole.items(), 1):
        _, lines, _ = client.retr(number)
        assert b"\r\n".join(lines) + b"\r\n" == message, name
    client.quit()


def test_deliver_gives_the_same_bytes_below_what_delivery_adds(
    instance: Instance, person: Person, samples: dict[str, bytes]
) -> None:
    name = "msg_07.txt"  # multipart, with an attachment in base64
    instance.nmsd("deliver", person.address, input=samples[name])

    [(message, _)] = instance.messages(person)
    assert message.endswith(samples[name])
    assert message.startswith(b"Return-Path:")
