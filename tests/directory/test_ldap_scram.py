"""SCRAM keys in real directories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nmsd.config.services import IMAP
from nmsd.directory.entrance import Entrance
from nmsd.directory.scram import make_keys, write_keys
from nmsd.model.errors import BadCredentials, DirectoryUnavailable
from nmsd.wire.protocol import Peer
from tests.clients.scram import ScramClient
from tests.directory.conftest import MakeStand
from tests.directory.people import READER_DN, password, person
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer, Slapd
from tests.directory.stand import Stand
from tests.directory.test_ldap_schema import _gate

SETTINGS: dict[str, Any] = {"local.ugattr.scram": ("authPassword",), "local.ugldapbinddn": READER_DN}
SALT = bytes(range(16))
KEYS = make_keys(password("proven"), 4096, SALT)
IN_ENTRY = write_keys(KEYS).replace("{SCRAM-SHA-256}", "SCRAM-SHA-256$")  # as RFC 5803 has it


@pytest.fixture
def proven(server: DirectoryServer) -> Iterator[str]:
    """A user with keys in his entry."""
    server.add(person("proven", "objectClass: authPasswordObject", f"authPassword: {IN_ENTRY}"))
    yield "proven"
    server.delete("proven")


def enter(stand: Stand, login: str, word: str) -> str:
    """Logs in by SCRAM, through all of it but the network; gives the account."""
    entrance = Entrance(_gate(stand), stand.config, IMAP, Peer("192.0.2.1", 40_000, "192.0.2.2", 143))
    assert b"SCRAM-SHA-256" in entrance.offered()
    client = ScramClient(login, word)
    steps = entrance.exchange(b"SCRAM-SHA-256")._steps
    challenge = next(steps)
    while True:
        try:
            challenge = steps.send(client.answer(challenge))
        except StopIteration:
            assert client.is_server_proven
            assert entrance.user is not None
            return entrance.user.account


def test_a_user_proves_the_password_by_the_keys_in_the_entry(
    server: DirectoryServer, make_stand: MakeStand, proven: str
) -> None:
    stand = make_stand(server.url, **SETTINGS)
    assert stand.directory.scram_keys(proven) == KEYS
    for login in (proven, f"{proven}@example.com"):
        assert enter(stand, login, password(proven)) == "proven@example.com"
    with pytest.raises(BadCredentials):
        enter(stand, proven, "wrong")
    with pytest.raises(BadCredentials):
        enter(stand, "nobody-at-all", password(proven))


def test_keys_that_are_not_there_or_not_shown_are_none(
    server: DirectoryServer, make_stand: MakeStand, proven: str
) -> None:
    assert make_stand(server.url, **SETTINGS).directory.scram_keys("alice") is None
    assert make_stand(server.url, **SETTINGS).directory.scram_keys("nobody-at-all") is None
    unprivileged = make_stand(server.url, **{"local.ugattr.scram": ("authPassword",)})
    assert unprivileged.directory.scram_keys(proven) is None
    assert unprivileged.directory.find(proven) is not None


def test_new_keys_count_at_once(server: DirectoryServer, make_stand: MakeStand, proven: str) -> None:
    stand = make_stand(server.url, **SETTINGS)
    enter(stand, proven, password(proven))
    server.replace(proven, "authPassword", write_keys(make_keys("another", 4096)))
    assert enter(stand, proven, "another") == "proven@example.com"
    with pytest.raises(BadCredentials):
        enter(stand, proven, password(proven))


def test_a_directory_that_is_down_is_no_wrong_proof(
    server: DirectoryServer, make_stand: MakeStand, proven: str
) -> None:
    relay = Relay(server.port)
    stand = make_stand(relay.url, **SETTINGS)
    enter(stand, proven, password(proven))
    relay.die()
    with pytest.raises(DirectoryUnavailable):
        enter(stand, proven, password(proven))


def test_without_the_setting_scram_is_not_offered(server: DirectoryServer, make_stand: MakeStand) -> None:
    stand = make_stand(server.url)
    entrance = Entrance(_gate(stand), stand.config, IMAP, Peer("192.0.2.1", 40_000, "192.0.2.2", 143))
    assert entrance.offered() == [b"PLAIN", b"LOGIN"]


@pytest.mark.xdist_group("slapd")
def test_the_keys_may_be_in_the_password_attribute_and_serve_plain_logins_too(
    slapd: Slapd, make_stand: MakeStand
) -> None:
    slapd.add(person("keyed"))
    slapd.replace("keyed", "userPassword", write_keys(KEYS))
    stand = make_stand(
        slapd.url, **{**SETTINGS, "local.ugattr.scram": ("userPassword",), "local.ugldapauthmethod": "compare"}
    )
    try:
        assert enter(stand, "keyed", password("proven")) == "keyed@example.com"
        assert stand.directory.authenticate("keyed", password("proven")).uid == "keyed"
        with pytest.raises(BadCredentials):
            stand.directory.authenticate("keyed", "wrong")
    finally:
        slapd.delete("keyed")
