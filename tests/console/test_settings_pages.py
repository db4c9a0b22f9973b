"""Settings in the console: forms, validation, saving, and what the server then does."""

from __future__ import annotations

import html
import imaplib
import json
import re
import socket

import pytest

from nmsd.settings import SECTIONS
from tests.clients.harness import HOST, Instance
from tests.console.browser import Browser
from tests.console.conftest import ADMIN

SYSTEM = "/services/imap/system"


def test_a_form_shows_label_value_help_range_and_default(admin: Browser) -> None:
    answer = admin.get(SYSTEM)
    assert answer.form("/system").values["service.imap.idletimeout"] == "30"
    for words in (
        "Drop client connections if idle for",
        "a whole number from 1 to 10080 (minutes)",
        "default 30",
        "service.imap.idletimeout",
        "takes effect when saved, for new sessions",
    ):
        assert words in answer.text
    assert "Maximum number of network connections per process" in answer.text
    assert 'type="number" min="1" max="10080"' in answer.body


@pytest.mark.parametrize("service", ["imap", "pop", "lmtp"])
@pytest.mark.parametrize("tab", ["system", "access", "ssl"])
def test_every_service_has_its_tabs(admin: Browser, service: str, tab: str) -> None:
    answer = admin.get(f"/services/{service}/{tab}")
    assert answer.status == 200
    for title in ("System", "Access", "SSL"):
        assert title in answer.text


def test_a_setting_saved_is_in_force_and_comments_stay(running: Instance, admin: Browser) -> None:
    with open(running.configuration, "r+") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace("# End of nmsd.conf", "# a word of mine\n# End of nmsd.conf"))
    answer = admin.send(
        admin.get("/services/pop/system").form("/system"), service__pop__banner="Hello <b>there</b> & you"
    )
    assert answer.status == 200
    assert "Service banner is now Hello <b>there</b> & you: in force." in html.unescape(answer.body)
    assert "<b>there</b>" not in answer.body
    assert running.pop().getwelcome() == b"+OK Hello (b)there(/b) & you"
    written = running.configuration.read_text()
    assert "# a word of mine" in written
    assert written.count("service.pop.banner") == 2, "the sample and the value"


def test_a_new_port_takes_clients_and_a_session_on_the_old_one_goes_on(running: Instance, admin: Browser) -> None:
    someone = running.add_user()
    with running.imap(someone) as old, socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        answer = admin.send(admin.get(SYSTEM).form("/system"), service__imap__port=str(port))
        assert f"Enable IMAP service at port is now {port}: in force for new sessions" in answer.text
        with imaplib.IMAP4(HOST, port, timeout=60) as client:
            client.starttls(running.tls())
            assert client.login(someone.name, someone.password)[0] == "OK"
        with pytest.raises(OSError):
            socket.create_connection((HOST, running.port(143)), timeout=5)
        assert old.noop()[0] == "OK"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("0", "below what is allowed"),
        ("100001", "above what is allowed"),
        ("many", "not a whole number"),
        ("", "not a"),
    ],
)
def test_a_value_out_of_range_is_told_beside_its_field_and_nothing_is_saved(
    running: Instance, admin: Browser, typed: str, told: str
) -> None:
    before = running.configuration.read_bytes()
    form = admin.get(SYSTEM).form("/system")
    answer = admin.send(form, service__imap__maxsessions=typed, service__imap__maxthreads="77")
    assert answer.status == 422
    field = answer.body[answer.body.index('name="service.imap.maxsessions"') :][:900]
    assert told in field
    assert 'aria-invalid="true"' in field
    again = answer.form("/system").values
    assert again["service.imap.maxsessions"] == typed, "what was typed is there to be corrected"
    assert again["service.imap.maxthreads"] == "77"
    assert running.configuration.read_bytes() == before


def test_values_that_do_not_go_together_are_told_beside_the_field(running: Instance, admin: Browser) -> None:
    before = running.configuration.read_bytes()
    answer = admin.send(admin.get("/services/imap/ssl").form("/ssl"), service__imap__sslport=str(running.port(995)))
    assert answer.status == 422
    assert "is the same port as" in answer.text
    assert running.configuration.read_bytes() == before


def test_a_port_that_another_program_has_is_told_and_the_file_is_as_it_was(running: Instance, admin: Browser) -> None:
    before = running.configuration.read_bytes()
    with socket.create_server((HOST, 0)) as taken:
        form = admin.get("/services/lmtp/system").form("/system")
        answer = admin.send(form, service__lmtp__port=str(taken.getsockname()[1]))
    assert answer.status == 422
    field = answer.body[answer.body.index('name="service.lmtp.port"') :][:900]
    assert "is in use by another program" in field
    assert running.configuration.read_bytes() == before


def test_the_second_of_two_administrators_is_told_and_loses_nothing(running: Instance, admin: Browser) -> None:
    second = Browser(running)
    second.log_in(ADMIN)
    form, late = admin.get(SYSTEM).form("/system"), second.get(SYSTEM).form("/system")
    assert "is now 41" in admin.send(form, service__imap__idletimeout="41").text
    answer = second.send(late, service__imap__idletimeout="42", service__imap__maxthreads="500")
    assert answer.status == 409
    assert "Somebody else has changed the settings" in answer.text
    assert "Now in force: 41" in answer.text
    again = answer.form("/system")
    assert again.values["service.imap.maxthreads"] == "500"
    assert running.nmsd("config", "get", "service.imap.idletimeout").stdout == b"41\n"
    answer = second.send(again)
    assert "is now 42" in answer.text
    assert running.nmsd("config", "get", "service.imap.maxthreads").stdout == b"500\n"


def test_saving_without_a_change_changes_nothing(running: Instance, admin: Browser) -> None:
    before = running.configuration.read_bytes()
    answer = admin.send(admin.get(SYSTEM).form("/system"))
    assert "Nothing was changed." in answer.text
    assert running.configuration.read_bytes() == before


def test_every_setting_is_on_some_page(admin: Browser) -> None:
    pages = [f"/services/{service}/{tab}" for service in ("imap", "pop", "lmtp") for tab in ("system", "access", "ssl")]
    pages += sorted(set(re.findall(r'href="(/settings/[\w-]+)"', admin.get("/settings").body)))
    found = {name for page in pages for name in re.findall(r' name="([a-z]+\.[a-z0-9._]+)"', admin.get(page).body)}
    known = {setting.name for section in SECTIONS for setting in section.settings}
    assert known - found == set()


def test_a_setting_of_no_service_is_changed_and_a_secret_is_not_shown(running: Instance, admin: Browser) -> None:
    answer = admin.send(admin.get("/settings/logs").form("/settings/logs"), logfile__pop__loglevel="Information")
    assert "is now Information: in force." in answer.text
    page = admin.get("/settings/ldap-directory")
    saved = admin.send(page.form("/settings/ldap-directory"), local__ugldapbindcred="very secret")
    assert saved.status == 200
    assert "is now changed: in force" in saved.text
    assert running.nmsd("config", "get", "local.ugldapbindcred").stdout == b"very secret\n"
    for found in (saved, admin.get("/settings/ldap-directory"), admin.get("/directory")):
        assert "very secret" not in found.body
    assert admin.get("/settings/nothing").status == 404


def test_the_script_is_told_what_is_wrong_with_a_value(admin: Browser) -> None:
    token = {"csrf": admin.get(SYSTEM).form("/system").values["csrf"]}
    for value, error in (("41", ""), ("0", "below what is allowed; allowed: a whole number from 1 to 10080 (minutes)")):
        answer = admin.post("/settings/check", {**token, "name": "service.imap.idletimeout", "value": value})
        assert json.loads(answer.body) == {"error": error}
    assert admin.post("/settings/check", {**token, "name": "service.imap.none", "value": "1"}).status == 404
