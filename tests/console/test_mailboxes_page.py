"""Mailboxes in the console: accounts with what they hold, the mailboxes of one, and names that are hostile."""

from __future__ import annotations

import html
import re
import smtplib

from nmsd.console.pages.mailboxes import PER_PAGE
from tests.clients.harness import HOST, Instance, Person
from tests.console.browser import Browser

MESSAGE = b"Subject: hello\r\n\r\n" + b"x" * 2000 + b"\r\n"
HOSTILE = "<script>alert(1)</script>&amp;'\""


def test_an_account_is_listed_with_messages_size_and_quota(running: Instance, admin: Browser) -> None:
    someone = Person("quotable")
    running.nmsd("user", "add", someone.name, "--quota", "5M", "--password-stdin", input=someone.password.encode())
    with running.imap(someone) as client:
        client.append("INBOX", None, None, MESSAGE)
        client.append("INBOX", "\\Seen", None, MESSAGE)
    page = admin.get(f"/mailboxes?q={someone.name}")
    [row] = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page.body, re.DOTALL)
    assert re.findall(r"<td>(.*?)</td>", row) == ["2", "4 KB", "5 MB"]
    account = admin.get(f"/mailboxes/account?name={someone.address}")
    assert "2 messages, 4 KB; quota: 5 MB" in account.text
    assert "INBOX 2 1 0 4 KB – yes" in account.text
    assert "Drafts 0 0 0 0 bytes Drafts yes" in account.text


def test_html_in_a_mailbox_name_is_shown_as_it_is_written(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone) as client:
        quoted = HOSTILE.replace("&", "&-").replace('"', '\\"')
        assert client.create(f'"{quoted}"')[0] == "OK"
        assert client.select(f'"{quoted}"')[0] == "OK"
        for page in (admin.get(f"/mailboxes/account?name={someone.address}"), admin.get("/sessions")):
            assert HOSTILE not in page.body
            assert "<script>alert" not in page.body
            assert HOSTILE in page.text


def test_accounts_that_are_not_there_are_not_found(admin: Browser) -> None:
    for name in ("nobody@example.com", "", "../../etc/nmsd.conf", "%00", "a/b"):
        assert admin.get(f"/mailboxes/account?name={name}").status == 404


def test_more_accounts_than_fit_are_paged(running: Instance, admin: Browser) -> None:
    names = [f"crowd{number:03}" for number in range(PER_PAGE + 1)]
    with open(running.directory / "etc/directory.ldif", "a") as file:
        for name in names:
            file.write(f"\ndn: uid={name},ou=People,dc=example,dc=com\nuid: {name}\nmail: {name}@example.com\n")
    with smtplib.LMTP(HOST, running.port(24), timeout=60) as client:
        for name in names:
            client.sendmail("", f"{name}@example.com", MESSAGE)
    first = admin.get("/mailboxes?q=crowd")
    assert "51 accounts with" in first.text
    assert "Page 1 of 2" in first.text
    assert "crowd000@example.com" in first.text
    second = admin.get("/mailboxes?q=crowd&page=2")
    assert "crowd050@example.com" in second.text
    assert "crowd000@example.com" not in second.text
    for wild in ("0", "-1", "9999999999", "many"):
        assert admin.get(f"/mailboxes?page={wild}").status == 200
    assert "1 account with" in admin.get("/mailboxes?q=CROWD007").text


def test_many_mailboxes_of_an_account_are_paged(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone) as client:
        for number in range(PER_PAGE):
            client.create(f"box{number:02}")
    first = admin.get(f"/mailboxes/account?name={someone.address}")
    assert "Page 1 of 2" in first.text
    assert "box00" in first.text
    assert "box49" not in first.text
    [link] = re.findall(r'<a href="([^"]+)" rel="next">', first.body)
    second = admin.get(html.unescape(link))
    assert "Page 2 of 2" in second.text
    assert "box49" in second.text
