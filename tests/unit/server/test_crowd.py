"""How many sessions a user or an address may have in a worker, and which of them goes for a newer one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from nmsd.config.admission import IMAP
from nmsd.config.setting import Config, Setting
from nmsd.server.announce import SocketDirectory
from nmsd.server.board import ADDRESSES, CROWD, USERS, Board, crowd_slot
from nmsd.server.crowd import NEWER_OF_ADDRESS, NEWER_OF_USER, Crowd
from nmsd.server.siblings import Siblings
from tests.unit.server.server_stand import Client, Stand

ALICE = "alice@example.com"
ADDRESS = "192.0.2.1"  # the stand's clients'


class Crowded:
    """A stand whose sessions are counted."""

    def __init__(self, stand: Stand, instance: Path, config: dict[Setting[Any], Any]) -> None:
        self.stand = stand
        self._config = Config({setting.name: value for setting, value in config.items()})
        siblings = Siblings(SocketDirectory(str(instance / "workers")))
        settings = replace(IMAP, name="echo")
        self.crowd = Crowd(stand.board, stand.sessions, siblings, self._config, settings, stand.log, lambda: stand.time)
        stand.sessions.on_come = self.crowd.came
        stand.sessions.on_leave = self.crowd.left

    def set_per_user(self, limit: int) -> None:
        """Changes the setting, as a reload does."""
        self._config.adopt(Config({IMAP.per_user.name: limit}))

    def log_in(self, account: str = ALICE) -> Client:
        """A client whose session is counted for the account, a second after the one before."""
        client = self.stand.greeted()
        self.stand.time += 1
        self.stand.pump.now = self.stand.time
        client.session.seen = client.session.opened = self.stand.time
        assert self.crowd.enrol(client.session, account)
        return client

    def users(self, account: str = ALICE) -> int:
        """How many sessions are counted for it."""
        return self.stand.board.counted(self.stand.board.number, USERS, crowd_slot(account))

    def addresses(self) -> int:
        return self.stand.board.counted(self.stand.board.number, ADDRESSES, crowd_slot(ADDRESS))


Maker = Callable[..., Crowded]


@pytest.fixture
def make_crowded(stand: Stand, tmp_path: Path) -> Maker:
    def make(per_user: int = 2, per_address: int = 0, retire_idle: int = 0) -> Crowded:
        config = {IMAP.per_user: per_user, IMAP.per_address: per_address, IMAP.retire_idle: retire_idle}
        return Crowded(stand, tmp_path, config)

    return make


@pytest.fixture
def crowded(make_crowded: Maker) -> Crowded:
    return make_crowded()


def farewell(reason: str) -> bytes:
    return b"farewell: " + reason.encode()


def test_up_to_the_maximum_all_stay_and_one_more_takes_the_place_of_the_longest_idle(crowded: Crowded) -> None:
    first, second = crowded.log_in(), crowded.log_in()
    first.send(b"noop\n")
    assert first.line() == b"ok"
    first.session.seen = crowded.stand.time + 0.5
    third = crowded.log_in()
    assert second.line() == farewell(NEWER_OF_USER)
    assert second.line() == b""
    for client in (first, third):
        client.send(b"noop\n")
        assert client.line() == b"ok"
    assert crowded.users() == 2
    assert crowded.crowd.retired == 1
    ((*_, facts),) = [event for event in crowded.stand.log.events if event[2] == "retired for a newer session"]
    assert (facts["session"], facts["by"]) == (second.session.id, third.session.id)


def test_users_do_not_count_for_each_other_even_with_the_same_hash(crowded: Crowded) -> None:
    slot = crowd_slot(ALICE)
    twin = next(name for name in (f"u{number}" for number in range(10 * CROWD)) if crowd_slot(name) == slot)
    clients = [crowded.log_in(name) for name in (ALICE, twin, "bob", ALICE, twin)]
    assert crowded.users() == 4
    for client in clients:
        client.send(b"noop\n")
        assert client.line() == b"ok"


def test_a_session_in_the_middle_of_a_command_stays_and_where_all_are_there_is_no_room(crowded: Crowded) -> None:
    crowded.stand.service.block = lambda: gevent.sleep(30)
    working, typing = crowded.log_in(), crowded.log_in()
    working.send(b"block\n")
    typing.send(b"half a comm")
    crowded.stand.settle(lambda: not working.session.parked and typing.session.conversation.unfinished)
    newcomer = crowded.stand.greeted()
    assert not crowded.crowd.enrol(newcomer.session, ALICE)
    assert crowded.crowd.retired == 0
    assert crowded.users() == 2
    typing.send(b"and\n")
    assert typing.line() == b"echo half a command"
    assert crowded.crowd.enrol(newcomer.session, ALICE)
    assert typing.line() == farewell(NEWER_OF_USER)


def test_a_session_in_idle_goes_last(crowded: Crowded) -> None:
    idler, silent = crowded.log_in(), crowded.log_in()
    idler.send(b"idle\n")
    assert idler.line() == b"idling"
    crowded.stand.settle(lambda: idler.session.parked)
    idler.session.seen = 0
    crowded.log_in()
    assert silent.line() == farewell(NEWER_OF_USER)
    idler.send(b"noop\n")
    assert idler.line() == b"ok"


def test_who_was_heard_of_lately_is_not_silent_enough(make_crowded: Maker) -> None:
    crowded = make_crowded(per_user=1, retire_idle=60)
    client = crowded.log_in()
    newcomer = crowded.stand.greeted()
    crowded.stand.time += 59
    assert not crowded.crowd.enrol(newcomer.session, ALICE)
    crowded.stand.time += 1
    assert crowded.crowd.enrol(newcomer.session, ALICE)
    assert client.line() == farewell(NEWER_OF_USER)


def test_with_0_there_is_no_limit(make_crowded: Maker) -> None:
    crowded = make_crowded(per_user=0)
    clients = [crowded.log_in() for _ in range(5)]
    assert crowded.users() == 5
    assert not any(client.session.closed for client in clients)


def test_a_limit_that_was_lowered_has_the_next_session_retire_as_many_as_are_too_many(crowded: Crowded) -> None:
    crowded.set_per_user(0)
    clients = [crowded.log_in() for _ in range(5)]
    crowded.set_per_user(2)
    crowded.log_in()
    assert [client.session.closed for client in clients] == [True] * 4 + [False]
    assert crowded.users() == 2


def test_a_session_that_acts_as_another_user_counts_for_that_one(crowded: Crowded) -> None:
    client = crowded.log_in()
    assert crowded.crowd.enrol(client.session, "bob")
    assert (crowded.users(), crowded.users("bob")) == (0, 1)


def test_two_at_once_leave_as_many_as_may_stay(crowded: Crowded) -> None:
    for _ in range(2):
        crowded.log_in()
    newcomers = [crowded.stand.greeted() for _ in range(2)]
    jobs = [gevent.spawn(crowded.crowd.enrol, client.session, ALICE) for client in newcomers]
    gevent.joinall(jobs, timeout=20)
    assert [job.value for job in jobs] == [True, True]
    assert crowded.users() == 2
    assert not crowded.crowd._locks


def test_sessions_of_an_address_make_room_in_the_same_way(make_crowded: Maker) -> None:
    crowded = make_crowded(per_user=0, per_address=2)
    first = crowded.log_in()
    assert not crowded.crowd.is_full(ADDRESS)
    second = crowded.log_in("bob")
    assert crowded.crowd.is_full(ADDRESS)
    assert not crowded.crowd.is_full("192.0.2.77")
    with crowded.crowd.room_for(ADDRESS) as there_is:
        assert there_is
    assert first.line() == farewell(NEWER_OF_ADDRESS)
    assert crowded.addresses() == 1
    second.send(b"half")
    crowded.stand.settle(lambda: second.session.conversation.unfinished)
    crowded.log_in()
    crowded.stand.service.block = lambda: gevent.sleep(30)
    last = crowded.stand.clients[-1]
    last.send(b"block\n")
    crowded.stand.settle(lambda: not last.session.parked)
    with crowded.crowd.room_for(ADDRESS) as there_is:
        assert not there_is


def test_what_is_counted_ends_with_the_session(crowded: Crowded) -> None:
    client = crowded.log_in()
    assert (crowded.users(), crowded.addresses()) == (1, 1)
    client.sock.close()
    crowded.stand.settle(lambda: not crowded.stand.sessions.greenlets)
    assert (crowded.users(), crowded.addresses()) == (0, 0)


def test_counts_of_a_worker_that_is_gone_count_no_more(tmp_path: Path) -> None:
    board = Board(str(tmp_path / "board"))
    board.claim("imap", 0)
    board.count(USERS, 7, 1)
    assert board.counted(board.number, USERS, 7) == 1
    number = board.number
    board.release()
    assert board.counted(number, USERS, 7) == 0
    board.close()
