"""Changes that the directory pushes: what is remembered of an entry is forgotten as soon as the entry changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ldap3 import MODIFY_REPLACE
from ldap3.core.exceptions import LDAPOperationResult

from nmsd.model.errors import BadCredentials
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, SUFFIX, password, person
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


def stand_of(stand: Stand, uid: str, pushed: bool = True) -> str:
    """What has become of a user in a session: 'gone', 'new password' or 'same'."""
    standing = stand.directory.look_again(f"{uid}@example.com", f"uid={uid},{PEOPLE}", pushed)
    if standing.user is None:
        return "gone"
    return "new password" if standing.has_new_password else "same"


def test_a_new_password_is_told_though_nobody_may_read_it(server: DirectoryServer, watching: Stand) -> None:
    watching.directory.find("pushed")
    assert stand_of(watching, "pushed", pushed=False) == "same"  # now all that may be seen is known
    assert watching.directory.is_known_well(f"uid=pushed,{PEOPLE}")
    server.replace("pushed", "telephoneNumber", "+1 234")
    assert stand_of(watching, "pushed") == "same"
    server.replace("pushed", "userPassword", "another 1")
    assert stand_of(watching, "pushed") == "new password"


@contextmanager
def added(server: DirectoryServer, uid: str, *lines: str) -> Iterator[None]:
    """A user who is there for a while."""
    server.add(person(uid, *lines))
    try:
        yield
    finally:
        server.delete(uid)


def test_a_new_password_is_told_by_its_time_where_that_is_kept(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url, **{"local.ugattr.passwordtime": ["description"], "local.ugldapunseen": "other"})
    with added(server, "dated", "description: 20260101000000Z"):
        stand.directory.find("dated")
        assert stand.directory.is_known_well(f"uid=dated,{PEOPLE}")
        server.replace("dated", "userPassword", "another 1")
        assert stand_of(stand, "dated") == "same"
        server.replace("dated", "description", "20260102000000Z")
        assert stand_of(stand, "dated") == "new password"


def test_hidden_changes_are_no_new_password_where_the_setting_says_so(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapunseen": "other"})
    with added(server, "hidden"):
        stand.directory.find("hidden")
        stand_of(stand, "hidden")
        server.replace("hidden", "userPassword", "another 1")
        assert stand_of(stand, "hidden") == "same"


def test_any_change_may_be_taken_for_a_new_password_as_long_as_nothing_tells_them_apart(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapunseen": "any", "local.ugattr.passwordtime": ["description"]})
    with added(server, "doubted"):
        stand.directory.find("doubted")
        stand_of(stand, "doubted")
        server.replace("doubted", "telephoneNumber", "+1 234")  # and perhaps, at the same time, the password
        assert stand_of(stand, "doubted") == "new password"
        server.replace("doubted", "description", "20260101000000Z")
        assert stand_of(stand, "doubted") == "new password"
        server.replace("doubted", "telephoneNumber", "+1 567")
        assert stand_of(stand, "doubted") == "same"


def test_where_nothing_is_pushed_the_next_look_up_tells_of_the_change(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapcachesize": 0})
    told: list[str] = []
    stand.directory._told = told.append
    with added(server, "unpushed"):
        dn = f"uid=unpushed,{PEOPLE}"
        stand.directory.find("unpushed")
        stand.directory.find("unpushed")
        assert stand.directory.is_known_well(dn)
        assert told == []
        # Time stamps of 389 have whole seconds.
        until(lambda: server.replace("unpushed", "cn", "Other") or (stand.directory.find("unpushed") and told))
        assert told[0] == dn


def test_who_was_renamed_is_the_same_user_and_what_was_known_by_the_old_name_is_forgotten(
    server: DirectoryServer, watching: Stand
) -> None:
    told: list[str] = []
    watching.directory._told = told.append
    server.add(person("early"))
    old = watching.directory.find("early")
    assert old
    stand_of(watching, "early")
    before = watching.directory.generation
    with server.admin() as connection:
        connection.modify_dn(f"uid=early,{PEOPLE}", "uid=late")
    try:
        until(lambda: watching.directory.changed_since(old, before))
        until(lambda: f"uid=late,{PEOPLE}" in told and f"uid=early,{PEOPLE}" in told)
        standing = watching.directory.look_again("early@example.com", old.dn, True)
        assert standing.user is not None
        assert standing.user.dn == f"uid=late,{PEOPLE}"
        assert not standing.has_new_password
    finally:
        server.delete("late")


def test_another_entry_with_the_same_address_is_another_user(server: DirectoryServer, watching: Stand) -> None:
    watching.directory.find("pushed")
    server.delete("pushed")
    server.add(person("pushed2", mail="pushed@example.com"))
    try:
        assert stand_of(watching, "pushed") == "gone"
    finally:
        server.delete("pushed2")
        server.add(person("pushed"))


def test_an_entry_made_anew_under_the_same_name_is_another_user(server: DirectoryServer, watching: Stand) -> None:
    watching.directory.find("pushed")
    server.delete("pushed")
    server.add(person("pushed"))
    assert stand_of(watching, "pushed") == "gone"  # for whoever was in a session before
    assert stand_of(watching, "pushed", pushed=False) == "same"  # and not for who has come since


def test_late_news_ends_no_session_of_who_has_shown_the_password_since(
    server: DirectoryServer, watching: Stand
) -> None:
    # Each in one second, or so it may be: 389's time stamps tell no more, and it rehashes what it is shown.
    watching.directory.find("pushed")
    server.delete("pushed")
    server.add(person("pushed"))
    watching.directory.authenticate("pushed", password("pushed"))
    assert stand_of(watching, "pushed") == "same"
    server.replace("pushed", "userPassword", "at once 1")
    watching.directory.authenticate("pushed", "at once 1")
    watching.directory.nobody_cares(f"uid=pushed,{PEOPLE}")
    watching.directory.forget()
    watching.directory.find("pushed")
    assert stand_of(watching, "pushed") == "same"


def test_who_was_moved_away_is_nobody(server: DirectoryServer, watching: Stand) -> None:
    server.add(person("mover"))
    assert status(watching, "mover") == "active"
    with server.admin() as connection:
        connection.modify_dn(f"uid=mover,{PEOPLE}", "uid=mover", new_superior=SUFFIX)
    try:
        until(lambda: status(watching, "mover") == "")
    finally:
        with server.admin() as connection:
            connection.delete(f"uid=mover,{SUFFIX}")


def test_everything_counts_when_a_subtree_gets_another_name(server: DirectoryServer, watching: Stand) -> None:
    server.add(f"dn: ou=Branch,{PEOPLE}\nobjectClass: organizationalUnit\nou: Branch\n\n")
    with server.admin() as connection:
        connection.add(f"cn=leaf,ou=Branch,{PEOPLE}", ["organizationalRole"], {"cn": "leaf"})
    told: list[str] = []
    watching.directory._told = told.append
    with server.admin() as connection:
        connection.modify(f"ou=Branch,{PEOPLE}", {"description": [(MODIFY_REPLACE, ["renamed soon"])]})
        try:
            connection.modify_dn(f"ou=Branch,{PEOPLE}", "ou=Twig")
            name = "Twig"
        except LDAPOperationResult:  # OpenLDAP's mdb cannot
            name = "Branch"
    try:
        until(lambda: "" in told)
    finally:
        with server.admin() as connection:
            connection.delete(f"cn=leaf,ou={name},{PEOPLE}")
            connection.delete(f"ou={name},{PEOPLE}")
