"""The console of a server whose users are in LDAP: they are shown, the directory is tried, nothing is edited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.harness import Instance, Person, instance_directory
from tests.console.browser import Browser
from tests.console.rest import Client, make_token
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN, password
from tests.directory.servers import Slapd

pytestmark = pytest.mark.xdist_group("slapd")
ADMIN = Person("user1", password("user1"))


@pytest.fixture(scope="module")
def running(slapd: Slapd) -> Iterator[Instance]:
    with instance_directory() as directory:
        settings = {
            "local.ugldaphost": f"ldap://127.0.0.1:{slapd.port}",
            "local.ugldapbasedn": PEOPLE,
            "local.ugldapbinddn": SERVICE_DN,
            "local.ugldapbindcred": SECRET,
            "store.admins": ADMIN.name,
            "service.console.enable": "yes",
        }
        server = Instance.make(directory, settings)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def admin(running: Instance) -> Browser:
    browser = Browser(running)
    assert browser.log_in(ADMIN).url.endswith("/server")
    return browser


def test_users_are_shown_and_cannot_be_changed(admin: Browser) -> None:
    page = admin.get("/users?q=user2")
    assert "user2@example.com" in page.text
    assert "are changed there" in page.text
    assert "Add a user" not in page.text
    shown = admin.get("/users/user?name=user2")
    assert f"uid=user2,{PEOPLE}" in shown.text
    assert "<input" not in shown.body.partition("<main")[2]
    values = shown.form("/logout").values
    for path in (
        "/users/add",
        "/users/user?name=user2",
        "/users/password?name=user2",
        "/users/remove?name=user2",
    ):
        assert admin.post(path, {**values, "login": "x"}).status == 404
    assert admin.get("/users/user?name=nobody-here").status == 404


def test_the_directory_page_tells_servers_links_and_a_trial(running: Instance, admin: Browser, slapd: Slapd) -> None:
    with running.imap(Person("user3", password("user3"))):
        page = admin.get("/directory")
    url = f"ldap://127.0.0.1:{slapd.port}"
    for words in (
        "are entries of an LDAP directory",
        f"console {url} asked",
        f"imap/0 {url} asked",
        PEOPLE,
        SERVICE_DN,
    ):
        assert words in page.text
    assert SECRET not in page.body
    tried = admin.send(page.form("/directory/test"))
    assert "The directory can be asked." in tried.text
    for step in ("connect", "bind", "base", "search"):
        assert f'<th scope="row">{step}</th>' in tried.body
    explained = admin.get("/explain?login=user2&service=imaps")
    assert "user2@example.com may use imaps" in explained.text
    assert "(uid=user2)" in explained.text


def test_programs_are_told_the_same(running: Instance) -> None:
    client = Client(running, make_token(running, "all", "read", "users", "services"))
    told = client.ask("GET", "directory").json
    assert told["kind"] == "ldap"
    assert {each["worker"] for each in told["links"]} >= {"console", "imap/0", "pop/0", "lmtp/0"}
    assert client.ask("GET", "users/user2").json["mail"] == "user2@example.com"
    assert client.ask("GET", "users/nobody-here").status == 404
    assert client.ask("DELETE", "users/user2").status == 404
    assert client.ask("POST", "directory/test").json["good"]
