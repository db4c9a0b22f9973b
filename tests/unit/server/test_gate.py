"""The way in: cache, delays, rules, administrators, the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.setting import Config, Setting
from nmsd.directory.api import User
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.server import settings
from nmsd.server.gate import DirectoryGate
from nmsd.server.throttle import Throttle, make_throttles
from tests.unit.server.server_stand import EventList

ALICE = User("uid=alice", "alice", "alice@example.com")
ROOT = User("uid=root", "root", "root@example.com")


class Household:
    """A directory of a few users whose password is their name backwards."""

    def __init__(self, *users: User) -> None:
        self.users = {user.uid: user for user in users}
        self.asked = 0
        self.generation = 1
        self.error: Exception | None = None

    def find(self, login: str) -> User | None:
        return self.users.get(login.partition("@")[0])

    find_recipient = find

    def authenticate(self, login: str, password: str) -> User:
        self.asked += 1
        if self.error is not None:
            raise self.error
        user = self.find(login)
        if user is None:
            raise BadCredentials("no such user")
        if password != user.uid[::-1]:
            raise BadCredentials("wrong password")
        return user

    def accounts(self) -> Iterator[User]:
        return iter(self.users.values())


class Shelf:
    """A store that only knows which accounts there are."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def account(self, name: str) -> Any:
        return Box(self, name)


class Box:
    def __init__(self, shelf: Shelf, name: str) -> None:
        self.shelf = shelf
        self.name = name

    def exists(self) -> bool:
        return self.name in self.shelf.made

    def ensure(self, partition: str = "") -> None:
        self.shelf.made.append(self.name)


class Porch:
    """A gate and what is around it; `config` gives settings other than the defaults."""

    def __init__(self, config: dict[Setting[Any], Any] | None = None) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []
        self.log = EventList()
        self.directory = Household(ALICE, ROOT)
        self.store = Shelf()
        self.config = Config({setting.name: value for setting, value in (config or {}).items()})
        self.cells = memoryview(bytearray(1024 * 16)).cast("Q")
        self.gate = self.make_gate()

    def make_gate(self) -> DirectoryGate:
        throttles = make_throttles(self.cells, bytes(16), self.config, lambda: self.time)
        return DirectoryGate(
            self.config, self.directory, self.store, throttles, self.log, lambda: self.time, self.pauses.append
        )

    def fail(self, login: str = "alice", address: str = "192.0.2.1") -> float:
        """A wrong password; returns for how long the answer was held back."""
        before = len(self.pauses)
        with pytest.raises(BadCredentials):
            self.gate.login("imap", login, "wrong", address)
        return sum(self.pauses[before:])


def test_a_right_password_lets_in_and_makes_the_account_once() -> None:
    porch = Porch()
    for _ in range(2):
        assert porch.gate.login("imap", "alice", "ecila", "192.0.2.1") is ALICE
    assert porch.store.made == ["alice@example.com"]
    assert porch.log.texts("Information") == ["login: [192.0.2.1] plaintext alice"] * 2
    assert porch.gate.logins == 2


def test_of_a_long_login_name_the_log_has_the_beginning() -> None:
    porch = Porch()
    porch.fail("a" * 60_000)
    assert porch.log.texts("Notice") == [f"badlogin: [192.0.2.1] plaintext {'a' * 320} no such user"]


def test_a_wrong_password_is_logged_with_its_reason_and_without_the_password() -> None:
    porch = Porch()
    porch.fail()
    porch.fail("nobody")
    assert porch.log.texts("Notice") == [
        "badlogin: [192.0.2.1] plaintext alice wrong password",
        "badlogin: [192.0.2.1] plaintext nobody no such user",
    ]
    assert "wrong'" not in repr(porch.log.events).replace("wrong password", "")


def test_the_cache_asks_the_directory_once_for_its_lifetime() -> None:
    porch = Porch({settings.AUTH_CACHE_TTL: 10})
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    porch.time += 9
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert porch.directory.asked == 1
    porch.time += 1
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert porch.directory.asked == 2


def test_the_cache_never_answers_for_another_password() -> None:
    porch = Porch()
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    porch.fail()
    assert porch.directory.asked == 2


def test_a_change_in_the_directory_empties_the_cache() -> None:
    porch = Porch()
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    porch.directory.generation += 1
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert porch.directory.asked == 2


@pytest.mark.parametrize(("size", "asked"), [(0, 4), (1, 4), (2, 2)])
def test_the_cache_holds_as_many_logins_as_the_setting_says(size: int, asked: int) -> None:
    porch = Porch({settings.AUTH_CACHE_SIZE: size})
    for _ in range(2):
        porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
        porch.gate.login("imap", "root", "toor", "192.0.2.1")
    assert porch.directory.asked == asked


# Delays


def test_the_delay_grows_after_the_free_failures_up_to_the_longest() -> None:
    porch = Porch(
        {settings.BAD_LOGIN_FREE: 2, settings.BAD_LOGIN_DELAY: 1, settings.BAD_LOGIN_MAX_DELAY: 5}
    )  # fmt: skip
    assert [porch.fail() for _ in range(7)] == [0, 0, 1, 2, 4, 5, 5]


def test_failures_count_per_account_from_any_address_and_per_address_for_any_account() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 1})
    assert porch.fail("alice", "192.0.2.1") == 0
    assert porch.fail("alice", "192.0.2.2") == 1
    assert porch.fail("nobody", "192.0.2.2") == 1
    assert porch.fail("root", "192.0.2.3") == 0


def test_a_right_password_is_not_held_back_and_forgives_the_account() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 1})
    porch.fail("alice", "192.0.2.1")
    porch.fail("alice", "192.0.2.2")
    porch.pauses.clear()
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert porch.pauses == []
    assert porch.fail("alice", "192.0.2.9") == 0


def test_failures_are_forgotten_after_a_while() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 1, settings.BAD_LOGIN_FORGET: 60})
    porch.fail()
    assert porch.fail() == 1
    porch.time += 61
    assert porch.fail() == 0


def test_delay_zero_switches_delays_off() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 0, settings.BAD_LOGIN_DELAY: 0})
    assert [porch.fail() for _ in range(20)] == [0] * 20


def test_workers_share_the_count() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 1})
    porch.fail()
    porch.gate = porch.make_gate()
    assert porch.fail() == 1


def test_so_many_failures_may_be_held_back_at_once_and_more_are_refused_unseen() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 0, settings.BAD_LOGIN_WAITING: 2})
    event = Event()
    porch.gate._pause = lambda seconds: event.wait()
    held = [gevent.spawn(porch.fail) for _ in range(2)]
    gevent.sleep(0)
    asked = porch.directory.asked
    with pytest.raises(LoginRefused) as refusal:
        porch.gate.login("imap", "alice", "ecila", "192.0.2.77")
    assert refusal.value.code == "UNAVAILABLE"
    assert porch.directory.asked == asked
    assert porch.gate.login("imap", "root", "toor", "192.0.2.77") is ROOT
    event.set()
    gevent.joinall(held, raise_error=True)
    assert porch.gate.login("imap", "alice", "ecila", "192.0.2.77") is ALICE


def test_who_is_known_gets_in_even_while_others_guess() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 0, settings.BAD_LOGIN_WAITING: 1})
    porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    event = Event()
    porch.gate._pause = lambda seconds: event.wait()
    guess = gevent.spawn(porch.fail)
    gevent.sleep(0)
    assert porch.gate.login("imap", "alice", "ecila", "192.0.2.1") is ALICE
    event.set()
    guess.get()


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.booleans()), max_size=60))
def test_a_name_never_counts_more_failures_than_it_had(steps: list[tuple[str, bool]]) -> None:
    throttle = Throttle(memoryview(bytearray(3 * 16)).cast("Q"), bytes(16), Config({}), lambda: 5.0)
    had: dict[str, int] = {}
    for name, forgive in steps:
        if forgive:
            throttle.forgive(name)
            had[name] = 0
        else:
            had[name] = had.get(name, 0) + 1
            assert throttle.failed(name) <= max(had[name], 1)
        assert throttle.failures(name) <= had[name]


def test_who_fails_more_often_keeps_a_shared_cell() -> None:
    throttle = Throttle(memoryview(bytearray(16)).cast("Q"), bytes(16), Config({}), lambda: 5.0)
    for _ in range(10):
        throttle.failed("often")
    for number in range(3):
        throttle.failed(f"once {number}")
    assert throttle.failures("often") == 7


# Rules


@pytest.mark.parametrize("status", ["inactive", "disabled", "deleted", "removed", "hold"])
def test_an_account_that_is_not_active_is_refused(status: str) -> None:
    porch = Porch()
    porch.directory.users["alice"] = User("uid=alice", "alice", "alice@example.com", status=status)
    with pytest.raises(LoginRefused) as refusal:
        porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert refusal.value.code == "AUTHORIZATIONFAILED"
    assert porch.log.texts("Notice") == [f"badlogin: [192.0.2.1] plaintext alice This account is {status}"]
    assert porch.store.made == []


def test_an_account_over_quota_may_log_in() -> None:
    porch = Porch()
    porch.directory.users["alice"] = User("uid=alice", "alice", "alice@example.com", status="overquota")
    assert porch.gate.login("imap", "alice", "ecila", "192.0.2.1").status == "overquota"


def test_a_denied_service_is_refused_and_others_are_not() -> None:
    porch = Porch()
    porch.directory.users["alice"] = User(
        "uid=alice", "alice", "alice@example.com", denied_services=frozenset({"pop"})
    )  # fmt: skip
    assert porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    with pytest.raises(LoginRefused):
        porch.gate.login("pop", "alice", "ecila", "192.0.2.1")


def test_an_administrator_may_act_as_another_user_and_nobody_else_may() -> None:
    porch = Porch({settings.STORE_ADMINS: ("root",)})
    assert porch.gate.login("imap", "root", "toor", "192.0.2.1", "alice") is ALICE
    with pytest.raises(LoginRefused):
        porch.gate.login("imap", "alice", "ecila", "192.0.2.1", "root")
    with pytest.raises(LoginRefused):
        porch.gate.login("imap", "root", "toor", "192.0.2.1", "nobody")
    with pytest.raises(BadCredentials):
        porch.gate.login("imap", "root", "wrong", "192.0.2.1", "alice")


def test_everyone_may_act_as_oneself() -> None:
    porch = Porch()
    assert porch.gate.login("imap", "alice", "ecila", "192.0.2.1", "alice@example.com") is ALICE


def test_two_entries_for_a_login_are_no_guess() -> None:
    porch = Porch()
    porch.directory.error = AmbiguousEntry("two entries")
    porch.fail()
    assert porch.log.texts("Notice") == ["badlogin: [192.0.2.1] plaintext alice two entries"]


def test_a_directory_that_is_down_is_not_a_wrong_password() -> None:
    porch = Porch({settings.BAD_LOGIN_FREE: 0})
    porch.directory.error = DirectoryUnavailable("no answer")
    with pytest.raises(DirectoryUnavailable):
        porch.gate.login("imap", "alice", "ecila", "192.0.2.1")
    assert porch.pauses == []
