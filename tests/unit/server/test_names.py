"""Host names of clients: looked up aside, each once, remembered for a while."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest

from nmsd.config.setting import Config, Setting
from nmsd.server.names import Names, NotKnownYet
from nmsd.server.settings import NAME_CACHE_SIZE, NAME_CACHE_TTL, NAME_THREADS, NAME_TIMEOUT


class Resolver:
    """A name server that answers when it is let; every address is a host of example.com."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    def __call__(self, address: str) -> str:
        self.asked.append(address)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.open.wait(30)
        self.at_once -= 1
        return f"host{address.rpartition('.')[2]}.example.com"


class Bench:
    def __init__(self, config: dict[Setting[Any], Any] | None = None) -> None:
        self.time = 100.0
        self.resolver = Resolver()
        values = {setting.name: value for setting, value in (config or {}).items()}
        self.names = Names(Config(values), lambda: self.time, self.resolver)


def test_a_name_is_looked_up_once_and_then_known_until_it_is_too_old() -> None:
    bench = Bench({NAME_CACHE_TTL: 60})
    with pytest.raises(NotKnownYet):
        bench.names.known("192.0.2.1")
    assert bench.names.find("192.0.2.1") == "host1.example.com"
    bench.time += 59.9
    assert bench.names.known("192.0.2.1") == "host1.example.com"
    bench.time += 0.1
    with pytest.raises(NotKnownYet):
        bench.names.known("192.0.2.1")
    assert bench.resolver.asked == ["192.0.2.1"]


def test_the_oldest_name_is_forgotten_for_a_new_one() -> None:
    bench = Bench({NAME_CACHE_SIZE: 2})
    for last in (1, 2, 3):
        bench.names.find(f"192.0.2.{last}")
    with pytest.raises(NotKnownYet):
        bench.names.known("192.0.2.1")
    assert bench.names.known("192.0.2.2") == "host2.example.com"
    assert bench.names.known("192.0.2.3") == "host3.example.com"


@pytest.mark.parametrize("setting", [NAME_CACHE_SIZE, NAME_CACHE_TTL])
def test_with_0_nothing_is_remembered(setting: Setting[int]) -> None:
    bench = Bench({setting: 0})
    for _ in range(2):
        assert bench.names.find("192.0.2.1") == "host1.example.com"
        with pytest.raises(NotKnownYet):
            bench.names.known("192.0.2.1")
    assert len(bench.resolver.asked) == 2


def test_who_waits_for_the_same_name_waits_together_and_no_more_are_asked_at_once_than_may() -> None:
    bench = Bench({NAME_THREADS: 2})
    bench.resolver.open.clear()
    waiting = [gevent.spawn(bench.names.find, f"192.0.2.{last}") for last in (1, 1, 1, 2, 3, 4)]
    with gevent.Timeout(20):
        while len(bench.resolver.asked) < 2:
            gevent.sleep(0.001)
    bench.resolver.open.set()
    gevent.joinall(waiting, timeout=20)
    assert [job.value for job in waiting] == [f"host{last}.example.com" for last in (1, 1, 1, 2, 3, 4)]
    assert sorted(bench.resolver.asked) == [f"192.0.2.{last}" for last in (1, 2, 3, 4)]
    assert bench.resolver.most_at_once == 2


def test_a_name_that_comes_too_late_is_none_and_known_the_next_time() -> None:
    bench = Bench({NAME_TIMEOUT: 0.01})
    bench.resolver.open.clear()
    assert bench.names.find("192.0.2.1") == ""
    with pytest.raises(NotKnownYet):
        bench.names.known("192.0.2.1")
    assert bench.names.find("192.0.2.1") == ""
    bench.resolver.open.set()
    with gevent.Timeout(20):
        while True:
            try:
                assert bench.names.known("192.0.2.1") == "host1.example.com"
                break
            except NotKnownYet:
                gevent.sleep(0.001)
    assert bench.resolver.asked == ["192.0.2.1"]


def test_a_resolver_that_fails_gives_no_name(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(address: str) -> str:
        raise RuntimeError("no resolver")

    names = Names(Config({}), lambda: 0.0, broken)
    assert names.find("192.0.2.1") == ""
