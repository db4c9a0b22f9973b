"""A running server with the embedded directory: what `nmsd user` changes ends sessions, and only those it should."""

from __future__ import annotations

from tests.clients.harness import Instance, Person


def test_a_new_password_ends_the_users_sessions_and_nobody_elses(instance: Instance, person: Person) -> None:
    other = instance.add_user()
    client, pop, bystander = instance.imap(person), instance.pop(person), instance.imap(other)
    instance.nmsd("user", "passwd", person.name, "--password-stdin", input=b"another word 3")
    assert client.readline() == b"* BYE The password was changed\r\n"
    assert pop.file.readline().startswith(b"-ERR")
    assert bystander.noop()[0] == "OK"
    with instance.imap(Person(person.name, "another word 3")) as again:
        assert again.noop()[0] == "OK"
    bystander.logout()


def test_a_user_who_is_removed_is_out(instance: Instance, person: Person) -> None:
    client = instance.imap(person)
    instance.nmsd("user", "remove", person.name)
    assert client.readline() == b"* BYE This account is gone\r\n"


def test_a_status_written_into_the_file_by_hand_counts(instance: Instance, person: Person) -> None:
    client = instance.imap(person)
    path = instance.directory / "etc/directory.ldif"
    line = f"uid: {person.name}\n"
    path.write_text(path.read_text().replace(line, f"{line}inetUserStatus: inactive\n"))
    assert client.readline() == b"* BYE This account is inactive\r\n"
