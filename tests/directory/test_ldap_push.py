"""Changes that the directory pushes: what is remembered of an entry is forgotten as soon as the entry changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nmsd.model.errors import BadCredentials
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, password, person
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer
from tests.directory.stand import Stand

LONG = {"local.ugldapcachettl": 86_400, "local.ugldapnegativettl": 86_400}


def until(condition: Callable[[], Any]) -> None:
    """Waits for it."""
    beat = threading.Event()
    for _ in range(1500):
        if condition():
            return
        beat.wait(0.01)
    raise AssertionError("it never came true")


def watch(stand: Stand, server: DirectoryServer) -> None:
    """Watches; returns when a change is noticed, for a server does not say from when on it tells."""
    watcher = stand.directory.watch()
    until(lambda: watcher.watching)
    before = stand.directory.generation
    count = 0

    def noticed() -> bool:
        nonlocal count
        count += 1
        server.replace("user299", "cn", f"Change {count}")
        return stand.directory.generation > before

    until(noticed)


@pytest.fixture
def watching(server: DirectoryServer, make_stand: MakeStand) -> Iterator[Stand]:
    """A back end that watches the server, and a user "pushed" in it."""
    server.add(person("pushed"))
    stand = make_stand(server.url, **LONG)
    watch(stand, server)
    yield stand
    stand.directory.close()
    with server.admin() as connection:
        connection.raise_exceptions = False
        connection.delete(f"uid=pushed,{PEOPLE}")


def status(stand: Stand, uid: str) -> str:
    """A user's status, '' for nobody."""
    user = stand.directory.find(uid)
    return "" if user is None else user.status


def test_a_disabled_user_is_known_as_such(server: DirectoryServer, watching: Stand) -> None:
    assert status(watching, "pushed") == "active"
    user = watching.directory.find("pushed")
    assert user
    before = watching.directory.generation
    server.replace("pushed", "mailUserStatus", "disabled")
    until(lambda: status(watching, "pushed") == "disabled")
    assert watching.directory.changed_since(user, before)


def test_a_deleted_user_is_gone_and_a_new_one_there(server: DirectoryServer, watching: Stand) -> None:
    assert status(watching, "pushed") == "active"
    assert watching.directory.find_recipient("fresh@example.com") is None
    server.delete("pushed")
    until(lambda: status(watching, "pushed") == "")
    server.add(person("fresh"))
    try:
        until(lambda: watching.directory.find_recipient("fresh@example.com"))
    finally:
        server.delete("fresh")


def test_a_new_password_makes_the_remembered_login_old_and_no_other_users(
    server: DirectoryServer, watching: Stand
) -> None:
    user = watching.directory.authenticate("pushed", password("pushed"))
    other = watching.directory.find("alice")  # by no bind: with one 389 may hash the password anew, a change
    assert other
    before = watching.directory.generation
    server.replace("pushed", "userPassword", "a new one 3")
    until(lambda: watching.directory.changed_since(user, before))
    assert not watching.directory.changed_since(other, before)
    with pytest.raises(BadCredentials):
        watching.directory.authenticate("pushed", password("pushed"))


def test_everything_is_forgotten_when_a_watch_begins_again(server: DirectoryServer, make_stand: MakeStand) -> None:
    relay = Relay(server.port)
    stand = make_stand(relay.url, **LONG)
    watcher = stand.directory.watch()
    until(lambda: watcher.watching)
    assert status(stand, "alice") == "active"
    relay.die()
    until(lambda: not watcher.watching)
    before = stand.directory.generation
    relay.revive()
    until(lambda: watcher.watching)
    assert stand.directory.generation > before
    stand.directory.close()
    until(lambda: not watcher.watching)
    relay.die()


def test_another_server_pushes_when_the_first_is_gone(server: DirectoryServer, make_stand: MakeStand) -> None:
    first, second = Relay(server.port), Relay(server.port)
    stand = make_stand(first.url, second.url)
    watcher = stand.directory.watch()
    until(lambda: watcher.watching is not None and watcher.watching.url == first.url)
    first.die()
    until(lambda: watcher.watching is not None and watcher.watching.url == second.url)
    stand.directory.close()
    second.die()


def test_a_server_that_pushes_nothing_is_told_once(make_stand: MakeStand) -> None:
    stand = make_stand("ldap://127.0.0.1:1")
    stand.directory.watch()
    until(lambda: stand.events.lines)
    assert "changes are not pushed" in stand.events.lines[0]
    stand.directory.close()
