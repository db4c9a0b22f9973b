"""IMAPClient: IDLE, MOVE, CONDSTORE, special-use mailboxes, ID, NAMESPACE, search by objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from imapclient import DELETED, FLAGGED, SEEN, IMAPClient

from tests.clients.harness import Instance, Person
from tests.clients.letters import letter


def connect(instance: Instance, person: Person) -> IMAPClient:
    client = IMAPClient("localhost", instance.port(993), ssl=True, ssl_context=instance.tls(), timeout=60)
    client.login(person.name, person.password)
    return client


@pytest.fixture
def client(instance: Instance, person: Person) -> Iterator[IMAPClient]:
    with connect(instance, person) as client:
        client.select_folder("INBOX")
        yield client


def test_idle_hears_of_a_new_message_and_of_flags(instance: Instance, person: Person, client: IMAPClient) -> None:
    client.idle()
    with connect(instance, person) as other:
        other.append("INBOX", letter("new"))
        assert (1, b"EXISTS") in until(client, b"EXISTS")
        other.select_folder("INBOX")
        other.add_flags([1], [FLAGGED])
        flags = [response for response in until(client, b"FETCH") if response[1] == b"FETCH"]
        assert FLAGGED in flags[-1][2][flags[-1][2].index(b"FLAGS") + 1]
        other.delete_messages([1])
        other.expunge()
        assert (1, b"EXPUNGE") in until(client, b"EXPUNGE")
    client.idle_done()


def until(client: IMAPClient, word: bytes) -> list[tuple[object, ...]]:
    """What an IDLE client hears, up to a response of this kind."""
    heard: list[tuple[object, ...]] = []
    while not any(word in response for response in heard):
        heard += client.idle_check(timeout=60)
    return heard


def test_move_takes_the_message_along(instance: Instance, person: Person, client: IMAPClient) -> None:
    first, second = instance.append(person, [letter("one"), letter("two")])
    client.create_folder("Elsewhere")
    client.noop()

    client.move([first], "Elsewhere")

    assert client.search() == [second]
    client.select_folder("Elsewhere")
    assert client.search() == [1]


def test_search_by_criteria_and_charset(instance: Instance, person: Person, client: IMAPClient) -> None:
    instance.append(person, [letter("one", "Überraschung\r\n"), letter("two", "nothing\r\n")])
    client.noop()

    assert client.search(["BODY", "überraschung"], "UTF-8") == [1]
    assert client.search(["SINCE", date(2020, 1, 1), "NOT", "SUBJECT", "one"]) == [2]
    assert client.search(["OR", "SUBJECT", "one", "SUBJECT", "two"]) == [1, 2]


def test_condstore_gives_only_what_has_changed(instance: Instance, person: Person, client: IMAPClient) -> None:
    instance.append(person, [letter("one"), letter("two")])
    before = client.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
    with connect(instance, person) as other:
        other.select_folder("INBOX")
        other.add_flags([2], [SEEN])
    client.noop()

    changed = client.fetch(client.search(), ["FLAGS"], [f"CHANGEDSINCE {before}"])

    assert list(changed) == [2]
    assert changed[2][b"MODSEQ"][0] > before
    assert client.search(["MODSEQ", str(before + 1)]) == [2]


def test_envelope_and_structure_are_parsed(instance: Instance, person: Person, client: IMAPClient) -> None:
    instance.append(person, [letter("A subject", sender='"Sender, Carol" <carol@example.org>')])
    client.noop()

    data = client.fetch([1], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE"])[1]

    assert data[b"ENVELOPE"].subject == b"A subject"
    assert data[b"ENVELOPE"].from_[0].name == b"Sender, Carol"
    assert data[b"ENVELOPE"].date == datetime(2026, 3, 2, 10, tzinfo=UTC).astimezone().replace(tzinfo=None)
    assert data[b"BODYSTRUCTURE"][:2] == (b"text", b"plain") or data[b"BODYSTRUCTURE"][:2] == (b"TEXT", b"PLAIN")


def test_folders_with_special_uses_and_odd_names(client: IMAPClient) -> None:
    client.create_folder("Ärger & Co")
    client.create_folder("Deep/Below")

    names = {name: flags for flags, _, name in client.list_folders()}

    assert {"INBOX", "Ärger & Co", "Deep", "Deep/Below"} <= set(names)
    assert client.find_special_folder(b"\\Sent") == "Sent"
    client.rename_folder("Deep", "Shallow")
    assert client.folder_exists("Shallow/Below")
    client.delete_folder("Ärger & Co")
    assert not client.folder_exists("Ärger & Co")


def test_id_namespace_and_capabilities(client: IMAPClient) -> None:
    assert client.has_capability("IDLE")
    assert client.has_capability("UIDPLUS")
    assert client.namespace().personal == (("", "/"),)
    assert client.id_({"name": "test"})


def test_uid_expunge_and_copy_with_uids(instance: Instance, person: Person, client: IMAPClient) -> None:
    instance.append(person, [letter("one"), letter("two"), letter("three")])
    client.noop()
    client.copy([1, 3], "Trash")
    client.add_flags([1, 2], [DELETED])

    client.uid_expunge([1])

    assert client.search() == [2, 3]
    assert client.select_folder("Trash")[b"EXISTS"] == 2


def test_unselect_and_readonly(instance: Instance, person: Person, client: IMAPClient) -> None:
    instance.append(person, [letter("one")])
    client.unselect_folder()
    client.select_folder("INBOX", readonly=True)
    client.fetch([1], ["BODY[]"])
    assert SEEN not in client.get_flags([1])[1]
