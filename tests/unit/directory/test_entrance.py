"""What a client is offered to log in by, and the settings that decide it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nmsd.config.services import IMAP, POP, ServiceSettings
from nmsd.config.setting import Config
from nmsd.directory.api import Gate, User
from nmsd.directory.entrance import Entrance, Offer, binds_logins
from nmsd.directory.sasl_settings import MECH_LIST, SECTION
from nmsd.directory.scram import make_keys, write_keys
from nmsd.model.errors import BadCredentials
from nmsd.wire.protocol import Peer
from nmsd.wire.sasl import MECHANISMS
from tests.unit.directory.directory_stand import Stand, person

PLAIN = Peer("192.0.2.1", 40_000, "192.0.2.2", 143)
TLS = replace(PLAIN, tls=True, cipher_bits=128)
BOUND = replace(TLS, bindings=((b"tls-server-end-point", b"hash"),))
CERTIFIED = replace(TLS, certificate=b"DER")
LOCAL = replace(PLAIN, address="", local=True)
SCRAM = {"password.scram": True}
ATTRIBUTE = {"local.ugattr.scram": ("authPassword",)}
TOKENS = {"sasl.oauth.keyset": "etc/keys.json"}
OPEN = {"service.imap.allowanonymouslogin": True, "service.anonymoususer": "archive"}


class Ledger:
    """A gate that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> User:
            self.asked.append((name, *arguments))
            return User("uid=alice", "alice", "alice@example.com")

        return ask


def entrance(peer: Peer, service: ServiceSettings = IMAP, gate: Ledger | None = None, **values: Any) -> Entrance:
    config = Config({name.replace("__", "."): value for name, value in values.items()})
    return Entrance(cast(Gate, gate or Ledger()), config, service, peer)


@pytest.mark.parametrize(
    ("peer", "values", "offered"),
    [
        (PLAIN, {}, "PLAIN LOGIN"),
        (PLAIN, {"service.imap.plaintextmincipher": 128}, ""),
        (TLS, {"service.imap.plaintextmincipher": 128}, "PLAIN LOGIN"),
        (TLS, {"service.imap.plaintextmincipher": 129}, ""),
        (TLS, {"service.imap.plaintextmincipher": -1}, ""),
        (LOCAL, {"service.imap.plaintextmincipher": 128}, "PLAIN LOGIN"),
        (LOCAL, {"service.imap.plaintextmincipher": -1}, ""),
        (CERTIFIED, {}, "EXTERNAL PLAIN LOGIN"),
        (PLAIN, SCRAM, "SCRAM-SHA-256 PLAIN LOGIN"),
        (TLS, SCRAM, "SCRAM-SHA-256 PLAIN LOGIN"),
        (BOUND, SCRAM, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"),
        (BOUND, {}, "PLAIN LOGIN"),
        (PLAIN, {"local.ugldaphost": ("ldap://x",), **SCRAM}, "PLAIN LOGIN"),
        (
            PLAIN,
            {"local.ugldaphost": ("ldap://x",), "local.ugattr.scram": ("authPassword",)},
            "SCRAM-SHA-256 PLAIN LOGIN",
        ),
        (PLAIN, TOKENS, "PLAIN LOGIN"),
        (TLS, TOKENS, "OAUTHBEARER XOAUTH2 PLAIN LOGIN"),
        (LOCAL, TOKENS, "OAUTHBEARER XOAUTH2 PLAIN LOGIN"),
        (PLAIN, OPEN, "PLAIN LOGIN ANONYMOUS"),
        (PLAIN, {"service.imap.allowanonymouslogin": True}, "PLAIN LOGIN"),
        (PLAIN, {"service.anonymoususer": "archive", "service.pop.allowanonymouslogin": True}, "PLAIN LOGIN"),
        (PLAIN, {"sasl.default.mech_list": ("LOGIN", "ANONYMOUS", "PLAIN"), **OPEN}, "LOGIN ANONYMOUS PLAIN"),
        (PLAIN, {"sasl.default.mech_list": ()}, ""),
    ],
)
def test_what_can_be_used_is_offered_and_nothing_else(peer: Peer, values: dict[str, Any], offered: str) -> None:
    found = entrance(peer, **values)
    assert found.offered() == offered.encode().split()
    for mechanism in MECHANISMS:
        assert (found.offer(mechanism.name) is Offer.YES) == (mechanism.name in offered.encode().split())


def test_what_would_be_offered_on_a_private_connection_is_told_apart() -> None:
    found = entrance(PLAIN, service__imap__plaintextmincipher=128, **{"sasl.oauth.keyset": "keys.json"})
    assert [found.offer(name) for name in (b"PLAIN", b"XOAUTH2")] == [Offer.NOT_PRIVATE] * 2
    assert [found.offer(name) for name in (b"SCRAM-SHA-256", b"EXTERNAL", b"ANONYMOUS", b"CRAM-MD5")] == [Offer.NO] * 4


def test_bindings_are_given_only_where_a_mechanism_that_needs_them_is_offered() -> None:
    assert entrance(BOUND, **SCRAM).bindings() == {b"tls-server-end-point": b"hash"}
    assert entrance(BOUND).bindings() == {}
    without = {"sasl.default.mech_list": ("SCRAM-SHA-256",), **SCRAM}
    assert entrance(BOUND, **without).bindings() == {}
    assert [binds_logins(Config(values)) for values in (SCRAM, {}, without)] == [True, False, False]


def test_access_rules_are_told_whether_there_is_tls() -> None:
    gate = Ledger()
    for peer, service in ((PLAIN, IMAP), (TLS, IMAP), (PLAIN, POP), (CERTIFIED, POP)):
        found = entrance(peer, service, gate)
        found.login("alice", "secret")
        assert found.user is not None
    entrance(CERTIFIED, POP, gate).certificate("bob")
    assert gate.asked == [
        *(("login", service, "alice", "secret", "192.0.2.1") for service in ("imap", "imaps", "pop", "pops")),
        ("login_certificate", "pops", b"DER", "192.0.2.1", "bob"),
    ]


def test_anonymous_is_a_name_like_any_other_unless_a_service_is_open_to_anybody() -> None:
    gate = Ledger()
    entrance(PLAIN, gate=gate, **OPEN).login("Anonymous", "sirhc@example.com")
    entrance(PLAIN, POP, gate, **OPEN).login("anonymous", "sirhc@example.com")
    assert gate.asked == [
        ("login_anonymous", "imap", "sirhc@example.com", "192.0.2.1"),
        ("login", "pop", "anonymous", "sirhc@example.com", "192.0.2.1"),
    ]


def test_nonces_are_new_and_without_commas() -> None:
    nonces = {entrance(PLAIN).nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(nonce) >= 18 and b"," not in nonce and nonce.isascii() for nonce in nonces)


# Settings


def test_the_list_of_mechanisms_is_read_in_any_case_with_spaces_or_commas() -> None:
    parse = MECH_LIST.kind.parse
    assert parse("plain Scram-SHA-256,LOGIN, plain") == ("PLAIN", "SCRAM-SHA-256", "LOGIN")
    assert parse(["plain", "login"]) == ("PLAIN", "LOGIN")
    assert parse("") == ()
    assert parse(MECH_LIST.kind.write(MECH_LIST.default)) == MECH_LIST.default
    with pytest.raises(ValueError, match="CRAM-MD5 is none of them"):
        parse("PLAIN CRAM-MD5")


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, []),
        (TOKENS, ["sasl.oauth.issuer", "sasl.oauth.audience"]),
        ({**TOKENS, "sasl.oauth.issuer": "me", "sasl.oauth.audience": ("imap",)}, []),
        ({"service.pop.allowanonymouslogin": True}, ["service.anonymoususer"]),
        (OPEN, []),
    ],
)
def test_settings_that_do_not_go_together_are_told(values: dict[str, Any], wrong: list[str]) -> None:
    assert [name for name, _ in SECTION.verify(Config(values))] == wrong


# The embedded directory


def test_keys_are_found_among_the_values_of_the_password(tmp_path: Path) -> None:
    keys = make_keys("pencil", 4096)
    stand = Stand(
        tmp_path,
        person("alice", "mail: alice@example.com", "userPassword: {CLEAR}chalk", f"userPassword: {write_keys(keys)}")
        + person("bob", "mail: bob@example.com", "userPassword: {CLEAR}chalk"),
    )
    directory = stand.directory
    assert directory.scram_keys("alice") == directory.scram_keys("Alice@example.com") == keys
    assert directory.scram_keys("bob") is None
    assert directory.scram_keys("nobody") is None
    assert directory.authenticate("alice", "chalk").uid == "alice"
    with pytest.raises(BadCredentials):
        directory.authenticate("alice", "pencil")
