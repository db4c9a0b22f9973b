"""The parts of the LDAP back end that need no server: addresses, filters, memory, breaker, settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import parse_filter
from ldap3.protocol.convert import prepare_filter_for_sending

from nmsd.config.ldap_address import Address, parse_address
from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap_breaker import Breaker
from nmsd.directory.ldap_cache import Cache
from nmsd.directory.ldap_query import MOST_NAME, Queries, escape, fill
from nmsd.directory.schema import schema_of


@pytest.mark.parametrize(
    ("text", "address", "local"),
    [
        ("ldap://ds.example.com", Address("ldap", "ds.example.com", 389), False),
        ("LDAPS://ds.example.com/", Address("ldaps", "ds.example.com", 636), False),
        ("ldap://[::1]:1389", Address("ldap", "::1", 1389), True),
        ("ldaps://[2001:db8::1]", Address("ldaps", "2001:db8::1", 636), False),
        ("ds", Address("ldap", "ds", 389), False),
        ("127.0.0.1:1389", Address("ldap", "127.0.0.1", 1389), True),
        ("localhost", Address("ldap", "localhost", 389), True),
        ("ldapi://%2frun%2fslapd%2fldapi", Address("ldapi", "/run/slapd/ldapi", 0), True),
    ],
)
def test_an_address_is_a_url_or_host_and_port(text: str, address: Address, local: bool) -> None:
    assert parse_address(text) == address
    assert parse_address(address.url) == address
    assert address.is_local is local


@pytest.mark.parametrize(
    "text",
    [
        *("http://ds.example.com", "ldap://", "ldap:///", "ldap://ds:0", "ldap://ds:65536", "ldap://ds:x", "ds:"),
        *(
            "ldap://[::1",
            "ldap://[nonsense]",
            "::1:389:9x",
            "ldap://user@ds",
            "ldapi://socket",
            "ldap://ds/dc=x",
            "²:1",
        ),
    ],
)
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_address(text)


def test_the_settings_port_and_tls_count_where_an_address_does_not_say() -> None:
    assert parse_address("ds", 1389) == Address("ldap", "ds", 1389)
    assert parse_address("ds", 0, use_ssl=True) == Address("ldaps", "ds", 636)
    assert parse_address("ldap://ds:7", 1389, use_ssl=True) == Address("ldap", "ds", 7)
    config = Config({settings.HOSTS.name: ("a", "ldaps://b"), settings.USE_SSL.name: True})
    assert [address.url for address in settings.addresses(config)] == ["ldaps://a:636", "ldaps://b:636"]


@given(st.text(min_size=1))
def test_whatever_is_escaped_arrives_as_it_was_and_is_one_value(text: str) -> None:
    [node] = parse_filter(f"(uid={escape(text)})", None, False, True, None, False).elements
    assert node.assertion["attr"] == "uid"
    assert bytes(prepare_filter_for_sending(node.assertion["value"])) == text.encode()


@given(st.text(), st.text(), st.text())
def test_a_template_takes_any_name_without_changing_its_form(login: str, local: str, domain: str) -> None:
    filled = fill("(&(uid=%U)(|(mail=%o)(mail=100%%)(dc=%V)))", login, local, domain)
    names = (escape(local), escape(login), escape(domain))
    assert filled == "(&(uid={})(|(mail={})(mail=100%)(dc={})))".format(*names)


def test_what_a_template_does_not_know_stays() -> None:
    assert fill("(cn=%x%)", "a", "b", "c") == "(cn=%x%)"


def queries(**values: Any) -> Queries:
    """Queries with these settings, by name with `__` for the dot."""
    config = Config({"service.defaultdomain": "example.com", **{k.replace("__", "."): v for k, v in values.items()}})
    return Queries(config, schema_of(config))


def test_a_login_is_looked_for_under_all_its_names() -> None:
    query = queries().login("Alice")
    assert query is not None
    assert query.filter == "(|(uid=alice)(mail=alice@example.com)(mailalternateaddress=alice@example.com))"
    whole = queries().login("alice@example.com")
    assert whole is not None
    assert whole.logins == {"alice", "alice@example.com"}
    assert queries().login("") is None


def test_a_name_longer_than_names_are_is_not_looked_for() -> None:
    assert queries().login("a" * MOST_NAME) is not None
    assert queries().login("a" * (MOST_NAME + 1)) is None
    assert queries().recipient("a" * MOST_NAME + "@example.com") is None
    assert queries().login("\udcff") is None


def test_the_password_is_not_among_the_attributes_asked_for() -> None:
    assert "userpassword" not in queries().attributes
    assert "mailhost" in queries().attributes


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_at_once_for_a_refusal_and_after_some_for_time_outs() -> None:
    clock = Clock()
    for at_once, needed in ((True, 1), (False, 3)):
        breaker = Breaker(lambda: 5.0, lambda: 3, clock)
        opened = []
        while not breaker.is_open:
            attempt = breaker.attempt()
            assert attempt is not None
            opened.append(breaker.failed(attempt, at_once))
        assert opened == [False] * (needed - 1) + [True]


def test_time_outs_in_a_row_only_open_a_breaker() -> None:
    breaker = Breaker(lambda: 5.0, lambda: 2, Clock())
    for _ in range(5):
        assert not breaker.failed(0, False)
        assert not breaker.succeeded(0)
    assert not breaker.is_open


def test_an_open_breaker_lets_one_try_in_a_while_and_closes_when_that_succeeds() -> None:
    clock = Clock()
    breaker = Breaker(lambda: 5.0, lambda: 3, clock)
    old = breaker.attempt()
    assert old is not None
    assert breaker.failed(old, True)
    assert breaker.attempt() is None
    clock.now = 5.0
    probe = breaker.attempt()
    assert probe is not None
    assert breaker.attempt() is None
    assert not breaker.succeeded(old)  # began before the server went down
    assert breaker.is_open
    assert not breaker.failed(probe, True)  # told already
    clock.now = 10.0
    assert breaker.succeeded(breaker.attempt() or 0)
    assert breaker.attempt() is not None


def test_a_cache_keeps_no_more_than_its_size_and_no_longer_than_its_time() -> None:
    clock = Clock()
    cache: Cache[str] = Cache(lambda: 3, lambda: 100.0, lambda: 10.0, clock)
    for name in "abcd":
        cache.put(name, name, f"uid={name}")
    assert len(cache) == 3
    assert cache.get("a") is None
    cache.put("x", None, brief=True)
    clock.now = 10.0
    assert cache.get("x") is None
    assert cache.get("d") is not None
    clock.now = 100.0
    assert cache.get("d") is None
    assert len(cache) == 1


def test_a_cache_forgets_an_entry_under_all_its_names_and_nobody_when_anything_changed() -> None:
    cache: Cache[str] = Cache(lambda: 10, lambda: 100.0, lambda: 10.0, Clock())
    cache.put("alice", "A", "uid=Alice")
    cache.put("alice@x", "A", "uid=alice")
    cache.put("bob", "B", "uid=bob")
    cache.put("nobody", None, brief=True)
    assert cache.drop_entry("UID=ALICE")
    assert not cache.drop_entry("uid=alice")
    cache.drop_nobody()
    assert [name for name in ("alice", "alice@x", "bob", "nobody") if cache.get(name)] == ["bob"]


@pytest.mark.parametrize(("size", "seconds"), [(0, 100.0), (10, 0.0)])
def test_a_cache_without_size_or_time_keeps_nothing(size: int, seconds: float) -> None:
    cache: Cache[str] = Cache(lambda: size, lambda: seconds, lambda: 10.0, Clock())
    cache.put("a", "A", "uid=a")
    assert cache.get("a") is None


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, []),
        ({settings.HOSTS.name: ("ds",)}, ["local.ugldapbasedn"]),
        ({settings.HOSTS.name: ("ds",), settings.BASE.name: "dc=x"}, []),
        (
            {settings.HOSTS.name: ("ds",), settings.BASE.name: "dc=x", settings.BIND_DN.name: "cn=x"},
            ["local.ugldapbindcred"],
        ),
        (
            {settings.HOSTS.name: ("ds",), settings.BASE.name: "dc=x", settings.TLS_KEY.name: "k"},
            ["local.ugldaptlscertfile"],
        ),
    ],
)
def test_settings_that_do_not_go_together_are_told(values: dict[str, Any], wrong: list[str]) -> None:
    assert [name for name, _ in settings.SECTION.verify(Config(values))] == wrong


def test_servers_and_filters_are_checked_when_they_are_read() -> None:
    assert settings.HOSTS.kind.parse("ldap://a ldap://b, c:1") == ("ldap://a", "ldap://b", "c:1")
    with pytest.raises(ValueError, match="port"):
        settings.HOSTS.kind.parse("ldap://a:99999")
    assert settings.FILTER.kind.parse("(objectClass=mailRecipient)") == "(objectClass=mailRecipient)"
    for text in ("objectClass=x", "(a=b", "(a=b))"):
        with pytest.raises(ValueError, match="brackets"):
            settings.FILTER.kind.parse(text)
