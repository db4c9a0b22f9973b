"""A directory that is down, slow, or gone in between: temporary failures, another server, nobody who waits in vain."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from nmsd.model.errors import BadCredentials, DirectoryUnavailable
from tests.directory.conftest import MakeStand
from tests.directory.people import password
from tests.directory.relay import CUT, PASS, SILENT, Relay
from tests.directory.servers import DirectoryServer, free_ports
from tests.directory.stand import Stand

Relays = tuple[Relay, Relay]
NO_CACHE = {"local.ugldapcachesize": 0}
QUICK = {"local.ugldaptimeout": 1, "local.ugldapconnecttimeout": 1}


def log_in(stand: Stand, uid: str = "alice") -> str:
    """Logs in; gives the account."""
    return stand.directory.authenticate(uid, password(uid)).account


def test_a_server_that_is_not_there_is_a_temporary_failure_logged_once(make_stand: MakeStand) -> None:
    [port] = free_ports(1)
    stand = make_stand(f"ldap://127.0.0.1:{port}")
    for _ in range(5):
        with pytest.raises(DirectoryUnavailable):
            log_in(stand)
        with pytest.raises(DirectoryUnavailable):
            stand.directory.find_recipient("alice@example.com")
    assert len(stand.events.lines) == 1
    assert stand.events.lines[0].startswith("Error: directory server is down: ")
    assert str(port) in stand.events.lines[0]


def test_the_next_server_is_asked_and_the_preferred_one_again_when_it_is_back(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, second = relays
    stand = make_stand(first.url, second.url, **NO_CACHE)
    assert log_in(stand)
    assert (first.connections, second.connections) == (2, 0)
    first.die()
    assert log_in(stand)
    assert second.connections == 2
    first.revive()
    before = first.connections
    assert log_in(stand)
    assert first.connections == before  # not yet
    stand.clock.now += 5
    assert log_in(stand)
    assert first.connections > before
    assert [line.partition(":")[0] for line in stand.events.lines] == ["Error", "Notice"]


def test_while_a_server_is_down_one_lookup_in_a_while_tries_it(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    stand = make_stand(first.url, **NO_CACHE)
    first.die()
    with pytest.raises(DirectoryUnavailable, match="refused"):
        stand.directory.find("alice")
    with pytest.raises(DirectoryUnavailable, match="the directory is down"):
        stand.directory.find("alice")
    stand.clock.now += 5
    with pytest.raises(DirectoryUnavailable, match="refused"):
        stand.directory.find("alice")
    with pytest.raises(DirectoryUnavailable, match="the directory is down"):
        stand.directory.find("alice")
    first.revive()
    stand.clock.now += 5
    assert stand.directory.find("alice") is not None


def test_a_failover_under_load_gives_no_wrong_password(relays: Relays, make_stand: MakeStand) -> None:
    first, second = relays
    stand = make_stand(first.url, second.url, **NO_CACHE)
    outcomes: list[str] = []
    half = threading.Event()

    def work(number: int) -> None:
        for turn in range(30):
            uid = f"user{number * 30 + turn}"
            try:
                outcomes.append("good" if log_in(stand, uid) == f"{uid}@example.com" else "another's account")
            except BadCredentials:
                outcomes.append("wrong password")
            except DirectoryUnavailable:
                outcomes.append("unavailable")
            if len(outcomes) > 100:
                half.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    assert half.wait(30)
    first.die()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 240
    assert set(outcomes) == {"good"}
    assert len(stand.events.lines) == 1


def test_a_server_that_accepts_and_never_answers_is_left_alone_after_a_few_time_outs(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, second = relays
    stand = make_stand(first.url, second.url, **NO_CACHE, **QUICK, **{"local.ugldapfailures": 2})
    assert log_in(stand)
    first.mode = SILENT
    assert log_in(stand)  # search and bind time out once each, and the other server serves
    assert second.connections == 2
    assert ["down" in line for line in stand.events.lines] == [True]
    connections = first.connections
    assert log_in(stand)
    assert first.connections == connections
    first.mode = PASS


def test_a_hanging_server_alone_costs_each_caller_no_more_than_the_time_out(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, _ = relays
    first.mode = SILENT
    stand = make_stand(first.url, **NO_CACHE, **QUICK, **{"local.ugldapfailures": 1, "local.ugldapconnections": 2})
    errors: list[str] = []

    def ask() -> None:
        try:
            stand.directory.find("alice")
        except DirectoryUnavailable as error:
            errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 20
    assert first.connections <= 2  # the others did not even try
    assert len(stand.events.lines) == 1


def test_a_server_that_dies_between_bind_and_search_is_a_temporary_failure(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, second = relays
    first.mode = CUT
    stand = make_stand(first.url, **NO_CACHE)
    with pytest.raises(DirectoryUnavailable, match=r"terminated|closed|reset|ended"):
        log_in(stand)
    both = make_stand(first.url, second.url, **NO_CACHE)
    assert log_in(both)


def test_connections_that_died_unused_are_replaced_without_anyone_noticing(
    relays: Relays, make_stand: MakeStand
) -> None:
    first, _ = relays
    stand = make_stand(first.url, **NO_CACHE)
    assert log_in(stand)
    first.drop()
    assert log_in(stand)
    assert stand.events.lines == []


def test_connections_that_lay_unused_for_long_are_not_used_again(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    stand = make_stand(first.url, **NO_CACHE, **{"local.ugldapidletimeout": 10})
    assert log_in(stand)
    stand.clock.now += 9
    assert log_in(stand)
    assert first.connections == 2
    stand.clock.now += 11
    assert log_in(stand)
    assert first.connections == 4


def test_more_callers_than_may_wait_are_told_to_come_again(relays: Relays, make_stand: MakeStand) -> None:
    first, _ = relays
    first.mode = SILENT
    limits = {"local.ugldapconnections": 1, "local.ugldapwaiting": 0}
    stand = make_stand(first.url, **NO_CACHE, **QUICK, **limits)

    def ask() -> None:
        with pytest.raises(DirectoryUnavailable):
            stand.directory.find("alice")

    busy = threading.Thread(target=ask)
    busy.start()
    while not first.connections:
        time.sleep(0.001)
    with pytest.raises(DirectoryUnavailable, match="too many"):
        stand.directory.find("bob")
    busy.join(30)


def test_what_is_no_ldap_at_all_is_a_temporary_failure(make_stand: MakeStand) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.sendall(b"220 mail.example.com ESMTP\r\n" * 20)
            client.recv(100)
            client.close()

    threading.Thread(target=greet, daemon=True).start()
    stand = make_stand(f"ldap://127.0.0.1:{listener.getsockname()[1]}", **QUICK)
    with pytest.raises(DirectoryUnavailable):
        stand.directory.find("alice")
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_wrong_password_of_our_own_is_told_and_is_no_wrong_password_of_the_users(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    stand = make_stand(server.url, **{"local.ugldapbindcred": "wrong"})
    with pytest.raises(DirectoryUnavailable, match="does not let us bind as cn=nmsd"):
        log_in(stand)
    assert "wrong" not in stand.events.lines[0].replace("local", "")
