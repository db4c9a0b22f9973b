"""Python's imaplib: the dialogue of a mail reader from the library that most scripts use."""

from __future__ import annotations

import imaplib
import time

import pytest

from tests.clients.harness import PASSWORD, Instance, Person
from tests.clients.letters import letter


def test_starttls_then_login(instance: Instance, person: Person) -> None:
    with imaplib.IMAP4("localhost", instance.port(143), timeout=60) as client:
        assert client.starttls(instance.tls())[0] == "OK"
        assert client.login(person.name, PASSWORD)[0] == "OK"


def test_login_by_address_and_by_sasl(instance: Instance, person: Person) -> None:
    with instance.imap() as client:
        assert client.login(person.address, PASSWORD)[0] == "OK"
    with instance.imap() as client:
        assert client.authenticate("PLAIN", lambda _: f"\0{person.name}\0{PASSWORD}".encode())[0] == "OK"


def test_a_wrong_password_is_refused_with_its_code(instance: Instance, person: Person) -> None:
    client = instance.imap()
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(person.name, "wrong")
    client.shutdown()


def test_select_tells_what_there_is(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("one"), letter("two")])
    with instance.imap(person) as client:
        assert client.select() == ("OK", [b"2"])
        assert client.response("UIDNEXT")[1] == [b"3"]
        assert int(client.response("UIDVALIDITY")[1][0] or b"0") > 0
        assert client.response("FLAGS")[1] != [None]


def test_fetch_store_search_copy_expunge(instance: Instance, person: Person) -> None:
    instance.append(person, [letter(f"letter {number}", f"text {number}\r\n") for number in range(1, 6)])
    with instance.imap(person) as client:
        client.create("Archive/2026")
        client.select()
        assert client.search(None, "SUBJECT", '"letter 3"') == ("OK", [b"3"])
        assert client.search("UTF-8", "TEXT", '"text 4"') == ("OK", [b"4"])
        assert client.store("2:3", "+FLAGS", "(\\Deleted keyword)")[0] == "OK"
        assert client.copy("2:3", "Archive/2026")[0] == "OK"
        assert client.expunge()[1] in ([b"2", b"2"], [b"3", b"2"])
        status, data = client.fetch("1:*", "(UID FLAGS)")
        assert [line.split()[2] for line in data] == [b"1", b"4", b"5"]
        client.select("Archive/2026")
        status, data = client.fetch("1", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert status == "OK"
        assert b"keyword" in data[0][0]
        assert data[0][1] == b"Subject: letter 2\r\n\r\n"


def test_mailboxes_are_made_listed_subscribed_renamed_and_deleted(instance: Instance, person: Person) -> None:
    with instance.imap(person) as client:
        assert client.create('"Two words"')[0] == "OK"
        assert client.create("B&APw-cher")[0] == "OK"
        assert client.subscribe("B&APw-cher")[0] == "OK"
        assert b'"Two words"' in b"\n".join(client.list()[1])
        assert b"B&APw-cher" in b"\n".join(client.lsub()[1])
        assert client.rename('"Two words"', "One")[0] == "OK"
        assert client.status("One", "(MESSAGES UIDNEXT UNSEEN)")[1] == [b'"One" (MESSAGES 0 UIDNEXT 1 UNSEEN 0)']
        assert client.delete("One")[0] == "OK"
        assert client.select("One")[0] == "NO"


def test_append_keeps_flags_and_date(instance: Instance, person: Person) -> None:
    with instance.imap(person) as client:
        assert client.append("INBOX", "(\\Flagged)", '"01-Feb-2003 04:05:06 +0000"', letter("dated"))[0] == "OK"
        client.select()
        _, [line] = client.fetch("1", "(FLAGS INTERNALDATE)")
    assert b"\\Flagged" in line
    assert imaplib.Internaldate2tuple(line) == time.localtime(1_044_072_306)


def test_append_to_a_mailbox_that_is_not_there_says_trycreate(instance: Instance, person: Person) -> None:
    with instance.imap(person) as client:
        status, [text] = client.append("Nowhere", "", None, letter("lost"))
    assert status == "NO"
    assert text.startswith(b"[TRYCREATE]")


def test_a_second_client_hears_of_changes_at_noop(instance: Instance, person: Person) -> None:
    with instance.imap(person) as first, instance.imap(person) as second:
        first.select()
        second.select()
        second.append("INBOX", "", None, letter("new"))
        first.noop()
        assert first.response("EXISTS")[1][-1] == b"1"
