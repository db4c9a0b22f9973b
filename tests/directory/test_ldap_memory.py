"""What a worker remembers of the directory, for how long, and what makes it forget."""

from __future__ import annotations

import pytest

from nmsd.directory.ldap import FLUSH_FILE
from nmsd.model.errors import BadCredentials, DirectoryUnavailable
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, password, person
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer

Relays = tuple[Relay, Relay]


def test_an_entry_is_remembered_for_its_time_and_found_while_the_directory_is_down(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, _ = relays
    stand = make_stand(first.url, **{"local.ugldapcachettl": 100})
    assert stand.directory.find("alice") is not None
    first.die()
    stand.clock.now += 99
    assert stand.directory.find("ALICE") is not None
    assert stand.events.lines == []
    stand.clock.now += 1
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("alice")


def test_nobody_is_remembered_briefly_for_mail_and_not_at_all_for_logins(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapnegativettl": 10})
    assert stand.directory.find_recipient("newcomer@example.com") is None
    with pytest.raises(BadCredentials):
        stand.directory.authenticate("newcomer", password("newcomer"))
    server.add(person("newcomer"))
    try:
        assert stand.directory.authenticate("newcomer", password("newcomer")).uid == "newcomer"
        assert stand.directory.find_recipient("newcomer@example.com") is None
        stand.clock.now += 10
        assert stand.directory.find_recipient("newcomer@example.com") is not None
    finally:
        server.delete("newcomer")


def test_a_change_counts_after_a_flush_at_once(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url)
    server.add(person("flushed"))
    try:
        user = stand.directory.find("flushed")
        assert user is not None
        before = stand.directory.generation
        server.replace("flushed", "mailUserStatus", "inactive")
        assert stand.directory.find("flushed") == user
        (stand.folder / FLUSH_FILE).touch()
        assert stand.directory.generation > before
        assert stand.directory.changed_since(user, before)
        changed = stand.directory.find("flushed")
        assert changed is not None
        assert changed.status == "inactive"
        assert not stand.directory.changed_since(changed, stand.directory.generation)
    finally:
        server.delete("flushed")


def test_an_entry_that_changed_is_forgotten_and_no_other(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    stand = make_stand(first.url)
    alice, bob = stand.directory.find("alice"), stand.directory.find("bob")
    assert alice
    assert bob
    before = stand.directory.generation
    stand.directory.forget_entry(alice.dn.upper())
    assert stand.directory.changed_since(alice, before)
    assert not stand.directory.changed_since(bob, before)
    first.die()
    assert stand.directory.find("bob") is not None
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("alice")


def test_a_user_whose_entry_was_moved_logs_in_though_the_old_place_is_remembered(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url)
    server.add(person("mover"))
    assert stand.directory.authenticate("mover", password("mover"))
    with server.admin() as connection:
        connection.modify_dn(f"uid=mover,{PEOPLE}", "cn=Mover", delete_old_dn=False)
    try:
        assert stand.directory.authenticate("mover", password("mover")).dn.lower().startswith("cn=mover,")
    finally:
        with server.admin() as connection:
            connection.delete(f"cn=Mover,{PEOPLE}")


def test_no_more_names_are_remembered_than_the_setting_says(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    stand = make_stand(first.url, **{"local.ugldapcachesize": 2})
    for uid in ("user1", "user2", "user3"):
        assert stand.directory.find(uid) is not None
    first.die()
    assert stand.directory.find("user3") is not None
    assert stand.directory.find("user2") is not None
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("user1")


def test_a_directory_that_is_down_is_not_remembered_as_nobody(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    stand = make_stand(first.url)
    first.die()
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("alice")
    first.revive()
    stand.clock.now += 5
    assert stand.directory.find("alice") is not None
