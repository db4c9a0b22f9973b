"""Python's poplib: a maildrop from greeting to update."""

from __future__ import annotations

import poplib

import pytest

from tests.clients.harness import PASSWORD, Instance, Person
from tests.clients.letters import letter


def test_the_maildrop_is_counted_listed_and_named(instance: Instance, person: Person) -> None:
    messages = [letter("one"), letter("two", "x" * 5000 + "\r\n")]
    instance.append(person, messages)
    client = instance.pop(person)

    assert client.stat() == (2, sum(map(len, messages)))
    assert client.list()[1] == [f"{n} {len(message)}".encode() for n, message in enumerate(messages, 1)]
    names = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(names)) == 2
    client.quit()

    assert [line.split()[1] for line in instance.pop(person).uidl()[1]] == names


def test_retr_and_top_give_the_lines(instance: Instance, person: Person) -> None:
    message = letter("dots", ".\r\n..two\r\nlast\r\n")
    instance.append(person, [message])
    client = instance.pop(person)

    _, lines, _ = client.retr(1)
    assert b"\r\n".join(lines) + b"\r\n" == message
    _, top, _ = client.top(1, 1)
    assert top[-1] == b"."
    assert len(top) == len(lines) - 2
    client.quit()


def test_dele_takes_effect_at_quit_only(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("one"), letter("two")])
    client = instance.pop(person)
    client.dele(1)
    client.close()
    client = instance.pop(person)
    assert client.stat()[0] == 2

    client.dele(1)
    client.rset()
    client.dele(2)
    client.quit()

    assert [b"Subject: one" in message for message, _ in instance.messages(person)] == [True]


def test_the_maildrop_is_locked(instance: Instance, person: Person) -> None:
    first = instance.pop(person)
    second = instance.pop()
    second.user(person.name)
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        second.pass_(PASSWORD)
    second.close()
    first.quit()

    instance.pop(person).quit()


def test_stls_and_capabilities(instance: Instance, person: Person) -> None:
    client = poplib.POP3("localhost", instance.port(110), timeout=60)
    assert "STLS" in client.capa()
    client.stls(instance.tls())
    capabilities = client.capa()
    assert {"UIDL", "TOP", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "SASL"} <= set(capabilities)
    assert "STLS" not in capabilities
    client.user(person.name)
    client.pass_(PASSWORD)
    client.quit()


def test_a_wrong_password_is_refused_with_its_code(instance: Instance, person: Person) -> None:
    client = instance.pop()
    client.user(person.name)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.pass_("wrong")
    client.close()
