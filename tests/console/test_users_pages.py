"""Users of the embedded directory in the console: added, changed, removed; hostile names; who may."""

from __future__ import annotations

import imaplib
import json

import pytest

from tests.clients.harness import Instance, Person
from tests.console.browser import Browser

HOSTILE = "<img src=x onerror=alert(1)>&amp;'\""
NEW = {"password": "a good one 5", "again": "a good one 5"}


def shown(server: Instance, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.nmsd("user", "show", name, "--json").stdout)
    return found


def test_a_user_who_is_added_can_log_in_at_once(running: Instance, admin: Browser) -> None:
    form = admin.get("/users/add").form("/users/add")
    values = {**NEW, "login": "carol", "name": "Carol C.", "aliases": "cc@example.com\nc.c@example.com", "quota": "10M"}
    answer = admin.send(form, **values)
    assert answer.url.endswith("/users/user?name=carol")
    assert "carol is added, mail for carol@example.com." in answer.text
    with running.imap(Person("carol", NEW["password"])):
        pass
    found = shown(running, "carol")
    assert found["aliases"] == ["cc@example.com", "c.c@example.com"]
    assert found["quota"] == 10 << 20
    assert NEW["password"] not in (running.directory / "etc/directory.ldif").read_text()
    assert (
        'user added in the console" by=root@example.com' in running.log()
        or "user added in the console" in running.log()
    )


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"login": "root"}, "there is a user root already"),
        ({"login": "x", "aliases": "root@example.com"}, "is root's already"),
        ({"login": "x", "mail": "no address"}, "no address"),
        ({"login": "x", "quota": "much"}, "quota much"),
        ({"login": "x", "again": "another"}, "not the same"),
        ({"login": "x", "password": "", "again": ""}, "the password is empty"),
        ({"login": " "}, "needs a login name"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_stays(
    running: Instance, admin: Browser, typed: dict[str, str], told: str
) -> None:
    before = (running.directory / "etc/directory.ldif").read_bytes()
    answer = admin.send(admin.get("/users/add").form("/users/add"), **{**NEW, "name": "Typed Name", **typed})
    assert answer.status == 422
    assert told in answer.text
    again = answer.form("/users/add").values
    assert again["name"] == "Typed Name"
    assert again["password"] == ""
    assert (running.directory / "etc/directory.ldif").read_bytes() == before


def test_quota_status_aliases_and_denied_services_are_changed(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    path = f"/users/user?name={someone.name}"
    answer = admin.send(admin.get(path).form(path), name="Other", aliases="other@example.com", quota="1M", denied="pop")
    assert f"{someone.name} is changed." in answer.text
    found = shown(running, someone.name)
    assert (found["name"], found["aliases"], found["quota"]) == ("Other", ["other@example.com"], 1 << 20)
    assert found["denied"] == ["pop"]
    with running.imap(someone):
        pass
    with pytest.raises(Exception, match="may not use this service"):
        running.pop(someone)
    answer = admin.send(admin.get(path).form(path), status="inactive")
    assert shown(running, someone.name)["denied"] == ["pop"], "the box was ticked still"
    with pytest.raises(imaplib.IMAP4.error):
        running.imap(someone)
    form = admin.get(path).form(path)
    del form.values["denied"]
    admin.send(form, status="active", quota="", aliases="")
    found = shown(running, someone.name)
    assert (found["status"], found["quota"], found["aliases"], found["denied"]) == ("active", None, [], [])


def test_a_form_with_something_wrong_changes_nothing(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    path = f"/users/user?name={someone.name}"
    before = shown(running, someone.name)
    for typed, told in (
        ({"quota": "-7"}, "quota -7"),
        ({"aliases": "root@example.com"}, "is root's already"),
        ({"status": "asleep"}, "asleep: no status"),
        ({"denied": "telnet"}, "telnet: no service"),
    ):
        answer = admin.send(admin.get(path).form(path), **{"name": "New", **typed})
        assert answer.status == 422
        assert told in answer.text
        assert answer.form(path.partition("?")[0] + f"?name={someone.name}").values["name"] == "New"
    assert shown(running, someone.name) == before


def test_a_new_password_counts_and_the_old_one_does_not(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    form = admin.get(f"/users/user?name={someone.name}").form(f"/users/password?name={someone.name}")
    assert admin.send(form, password="one", again="two").status == 422
    answer = admin.send(form, password="another one 6", again="another one 6")
    assert f"{someone.name} has a new password." in answer.text
    with running.imap(Person(someone.name, "another one 6")):
        pass
    with pytest.raises(imaplib.IMAP4.error):
        running.imap(someone)


def test_a_user_is_removed_after_a_question_and_the_mail_stays(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone):
        pass
    asked = admin.get(f"/users/remove?name={someone.name}")
    assert f"Remove {someone.name}?" in asked.text
    assert shown(running, someone.name)
    answer = admin.send(asked.form(f"/users/remove?name={someone.name}"))
    assert f"{someone.name} is removed." in answer.text
    assert running.nmsd("user", "show", someone.name, check=False).returncode == 1
    assert admin.get(f"/users/user?name={someone.name}").status == 404
    assert someone.address in admin.get("/mailboxes").text


def test_html_in_names_is_shown_as_it_is_written(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    path = f"/users/user?name={someone.name}"
    answer = admin.send(admin.get(path).form(path), name=HOSTILE)
    for page in (answer, admin.get("/users"), admin.get(f"/users/remove?name={someone.name}")):
        assert "<img" not in page.body
    assert HOSTILE in admin.get("/users").text
    assert answer.form(path).values["name"] == HOSTILE
    for path in ("/users?q=", "/mailboxes?q=", "/explain?login=", "/sessions?q=", "/users/user?name="):
        assert "<img" not in admin.get(path + "%3Cimg%20src=x%3E%22%27").body


def test_a_name_with_a_newline_ends_up_on_one_line_of_the_file(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    path = f"/users/user?name={someone.name}"
    admin.send(admin.get(path).form(path), name="One\r\nuserPassword: secret")
    assert shown(running, someone.name)["name"] == "One userPassword: secret"
    with running.imap(someone):
        pass
