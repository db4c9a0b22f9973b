"""Who is let into the console, and what a session of it is."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.clients.harness import Instance, Person
from tests.console.browser import Browser
from tests.console.conftest import ADMIN

PAGES = (
    *(
        "/",
        "/server",
        "/services/imap/system",
        "/users",
        "/users/add",
        "/users/user?name=root",
        "/users/remove?name=root",
    ),
    *("/mailboxes", "/mailboxes/account?name=root@example.com", "/directory", "/explain?login=root"),
    *("/sessions", "/sessions/live", "/logs/nmsd"),
)


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_nothing_but_the_login(stranger: Browser, path: str) -> None:
    answer = stranger.get(path)
    assert answer.url.endswith("/login")
    assert "Password" in answer.text


def test_an_administrator_logs_in_with_the_mail_password_and_out_again(running: Instance) -> None:
    browser = Browser(running)
    answer = browser.log_in(ADMIN)
    assert answer.url.endswith("/server")
    assert f"{ADMIN.name}@example.com" in answer.text
    browser.send(answer.form("/logout"))
    assert browser.get("/server").url.endswith("/login")


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_logout(running: Instance) -> None:
    browser, thief = Browser(running), Browser(running)
    page = browser.log_in(ADMIN)
    [cookie] = browser.cookies
    thief.cookies.set_cookie(cookie)
    assert thief.get("/server").url.endswith("/server")
    form = page.form("/logout")
    browser.send(form)
    assert thief.get("/server").url.endswith("/login")
    assert thief.send(form).status == 403, "not even for another logout"
    running.nmsd("restart", "console")
    thief.cookies.set_cookie(cookie)
    assert thief.get("/server").url.endswith("/login"), "the worker that took over knows it as well"


def test_a_login_ends_the_one_before_it_in_the_same_browser_and_no_other(running: Instance) -> None:
    browser, thief, other = Browser(running), Browser(running), Browser(running)
    other.log_in(ADMIN)
    form = browser.get("/login").form("/login")
    browser.send(form, login=ADMIN.name, password=ADMIN.password)
    [cookie] = browser.cookies
    thief.cookies.set_cookie(cookie)
    browser.post(
        "/login", {**browser.get("/server").form("/logout").values, "login": "root", "password": ADMIN.password}
    )
    assert browser.get("/server").url.endswith("/server")
    assert thief.get("/server").url.endswith("/login")
    assert other.get("/server").url.endswith("/server")


def test_a_wrong_password_and_a_user_who_is_no_administrator_hear_the_same(running: Instance) -> None:
    someone = running.add_user()
    other = Browser(running).log_in(someone)
    wrong = Browser(running).log_in(ADMIN, "wrong")
    unknown = Browser(running).log_in(Person("nobody-here"))
    for answer in (other, wrong, unknown):
        assert answer.status == 403
        assert "Wrong name or password, or not an administrator" in answer.text


def test_an_administrator_may_be_named_by_any_login_name(running: Instance) -> None:
    for name in (f"{ADMIN.name}@example.com", ADMIN.name.upper()):
        browser = Browser(running)
        assert browser.log_in(Person(name)).url.endswith("/server")
        assert browser.get("/users").url.endswith("/users")


def test_who_is_no_administrator_any_more_is_out_at_once(running: Instance) -> None:
    browser = Browser(running)
    assert browser.log_in(ADMIN).status == 200
    running.nmsd("config", "set", "store.admins", "somebody-else")
    running.nmsd("reload")
    try:
        assert browser.get("/server").url.endswith("/login")
    finally:
        running.nmsd("config", "set", "store.admins", ADMIN.name)
        running.nmsd("reload")
    assert browser.get("/server").status == 200


@pytest.fixture
def mary(running: Instance) -> Iterator[Person]:
    """Another administrator."""
    person = running.add_user()
    running.nmsd("config", "set", "store.admins", f"{ADMIN.name}, {person.name}")
    running.nmsd("reload")
    yield person
    running.nmsd("config", "set", "store.admins", ADMIN.name)
    running.nmsd("reload")


def is_out(browser: Browser) -> bool:
    """Whether the login is worth nothing any more, at last."""
    for _ in range(100):
        if browser.get("/server").url.endswith("/login"):
            return True
        time.sleep(0.1)
    return False


def test_a_new_password_ends_the_logins_with_the_old_one_and_nobody_elses(
    running: Instance, mary: Person, admin: Browser
) -> None:
    browser = Browser(running)
    browser.log_in(mary)
    assert browser.get("/server").url.endswith("/server")
    running.nmsd("user", "passwd", mary.name, "--password-stdin", input=b"another word 4")
    assert is_out(browser)
    assert browser.log_in(Person(mary.name, "another word 4")).url.endswith("/server")
    assert admin.get("/server").url.endswith("/server")
    assert "disconnected: The password was changed session=console-" in running.log()


def test_who_is_removed_is_out(running: Instance, mary: Person) -> None:
    browser = Browser(running)
    browser.log_in(mary)
    running.nmsd("user", "remove", mary.name)
    assert is_out(browser)


def test_a_login_that_another_worker_let_in_is_watched_as_well(running: Instance, mary: Person) -> None:
    first, second = Browser(running), Browser(running)
    for browser in (first, second):
        browser.log_in(mary)
    running.nmsd("restart", "console")
    assert first.get("/server").url.endswith("/server")
    path = running.directory / "etc/directory.ldif"
    line = f"uid: {mary.name}\n"
    path.write_text(path.read_text().replace(line, f"{line}inetUserStatus: inactive\n"))
    assert is_out(first)
    running.nmsd("user", "remove", mary.name)
    running.nmsd("restart", "console")
    assert second.get("/server").url.endswith("/login")


def test_the_cookie_is_for_this_host_and_tls_and_no_script_and_no_other_site(running: Instance) -> None:
    browser = Browser(running)
    browser.log_in(ADMIN)
    [cookie] = browser.cookies
    assert cookie.name == "__Host-nmsd"
    assert cookie.secure
    assert cookie.path == "/"
    assert not cookie.domain_specified
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"


def test_a_cookie_that_was_tampered_with_is_worth_nothing(running: Instance) -> None:
    browser = Browser(running)
    browser.log_in(ADMIN)
    [cookie] = browser.cookies
    assert cookie.value
    cookie.value = cookie.value[:-4] + ("AAAA" if cookie.value[-4:] != "AAAA" else "BBBB")
    assert browser.get("/server").url.endswith("/login")


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/static/console.css"])
def test_a_page_may_load_only_what_is_the_consoles_own(stranger: Browser, path: str) -> None:
    headers = stranger.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_pages_have_no_script_or_style_of_their_own(admin: Browser) -> None:
    for path in PAGES:
        body = admin.get(path).body
        assert body.count("<script") == body.count('<script src="/static/live.js" defer></script>')
        assert "style=" not in body
        assert " onclick=" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/services/imap/system",
        "/server/imap/stop",
        "/sessions/disconnect",
        "/users/add",
        "/users/user?name=root",
        "/users/password?name=root",
        "/users/remove?name=root",
        "/directory/test",
        "/directory/flush",
        "/logout",
    ],
)
def test_a_post_from_another_site_is_refused(admin: Browser, path: str) -> None:
    for token in ({}, {"csrf": ""}, {"csrf": "guessed"}):
        answer = admin.post(path, {"service.imap.maxsessions": "5", **token})
        assert answer.status == 403
    assert admin.get("/server").status == 200
    assert admin.server.nmsd("config", "get", "service.imap.maxsessions").stdout == b"4000\n"


@pytest.mark.parametrize(
    "path",
    [
        "/logs/..%2f..%2fetc%2fnmsd.conf",
        "/logs/%2e%2e",
        "/static/..%2fweb.py",
        "/services/imap/..",
        "/services/local/system",
    ],
)
def test_tricks_with_paths_lead_nowhere(admin: Browser, path: str) -> None:
    assert admin.get(path).status == 404


def test_plain_http_and_garbage_on_the_port_do_no_harm(running: Instance, admin: Browser) -> None:
    for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 500):
        with socket.create_connection(("127.0.0.1", running.port(8443)), timeout=30) as sock:
            sock.sendall(words)
            with contextlib.suppress(ConnectionError):
                while sock.recv(1000):
                    pass
    assert admin.get("/server").status == 200
    assert "Traceback" not in running.log()
