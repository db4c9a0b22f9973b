"""The way in by certificate: rules, administrators, delays, the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nmsd.config.services import IMAP, POP
from nmsd.directory.api import User
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.server.gate import DirectoryGate
from nmsd.server.settings import BAD_LOGIN_FREE, STORE_ADMINS
from tests.unit.server.test_gate import ALICE, ROOT, Porch

ADDRESS = "192.0.2.1"


class Keeper:
    """Whose certificates are: what `known` says, be it an error."""

    def __init__(self) -> None:
        self.known: dict[bytes, User | Exception] = {b"alice": ALICE, b"root": ROOT}

    def user_of(self, certificate: bytes) -> User:
        found = self.known.get(certificate, BadCredentials("no entry is what the certificate says"))
        if isinstance(found, Exception):
            raise found
        return found

    def subject_of(self, certificate: bytes) -> str:
        return f"cn={certificate.decode()}"


class CertifiedPorch(Porch):
    """A gate that takes certificates."""

    def make_gate(self) -> DirectoryGate:
        gate = super().make_gate()
        self.keeper = Keeper()
        gate._certificates = self.keeper
        return gate

    def enter(self, certificate: bytes, service: str = "imaps", **named: Any) -> User:
        return self.gate.login_certificate(service, certificate, ADDRESS, **named)


def test_a_known_certificate_lets_in_and_the_log_names_the_user() -> None:
    porch = CertifiedPorch()
    assert porch.enter(b"alice") is ALICE
    assert porch.enter(b"alice", "pops") is ALICE
    assert porch.store.made == ["alice@example.com"]
    assert porch.log.texts("Information") == [f"login: [{ADDRESS}] certificate alice"] * 2
    assert porch.gate.logins == 2


def test_an_unknown_one_is_logged_by_its_subject_with_the_reason() -> None:
    porch = CertifiedPorch()
    porch.keeper.known[b"twin"] = AmbiguousEntry("the certificate is both a and b")
    for certificate in (b"carol", b"twin"):
        with pytest.raises(BadCredentials):
            porch.enter(certificate)
    assert porch.log.texts("Notice") == [
        f"badlogin: [{ADDRESS}] certificate cn=carol no entry is what the certificate says",
        f"badlogin: [{ADDRESS}] certificate cn=twin the certificate is both a and b",
    ]


def test_status_and_access_rules_hold_as_for_passwords() -> None:
    porch = CertifiedPorch()
    porch.keeper.known[b"held"] = replace(ALICE, status="hold")
    porch.keeper.known[b"popless"] = replace(ALICE, denied_services=frozenset({"pop"}))
    porch.keeper.known[b"near"] = replace(ALICE, access_domains=("198.51.100.0/24",))
    for certificate, service in ((b"held", "imaps"), (b"popless", "pops"), (b"near", "imaps")):
        with pytest.raises(LoginRefused):
            porch.enter(certificate, service)
    assert porch.enter(b"popless", "imaps").uid == "alice"
    assert "certificate alice This account is hold" in porch.log.texts("Notice")[0]


def test_an_administrator_acts_as_another_and_others_as_themselves_alone() -> None:
    porch = CertifiedPorch({STORE_ADMINS: ("root",)})
    assert porch.enter(b"alice", authorize="alice") is ALICE
    assert porch.enter(b"alice", authorize="alice@example.com") is ALICE
    assert porch.enter(b"root", authorize="alice") is ALICE
    for certificate, authorize in ((b"alice", "root"), (b"alice", "carol"), (b"root", "carol")):
        with pytest.raises(LoginRefused):
            porch.enter(certificate, authorize=authorize)


def test_failures_are_held_back_but_not_those_of_a_greeting() -> None:
    porch = CertifiedPorch({BAD_LOGIN_FREE: 2})
    for _ in range(5):
        with pytest.raises(BadCredentials):
            porch.enter(b"carol", greeting=True)
    assert porch.pauses == []
    for _ in range(4):
        with pytest.raises(BadCredentials):
            porch.enter(b"carol")
    assert porch.pauses == [1, 2]
    assert porch.enter(b"alice") is ALICE  # nobody else waits for that


def test_a_directory_that_is_away_is_no_wrong_certificate_and_its_words_are_not_for_clients() -> None:
    porch = CertifiedPorch()
    porch.keeper.known[b"alice"] = DirectoryUnavailable("ldap://10.0.0.1 is down")
    with pytest.raises(DirectoryUnavailable, match="try again later"):
        porch.enter(b"alice")
    assert porch.pauses == []


def test_a_service_that_takes_no_certificates_takes_none() -> None:
    logins = IMAP.certificates
    assert logins is not None
    porch = CertifiedPorch({logins.allow: False})
    with pytest.raises(LoginRefused, match="not taken here"):
        porch.enter(b"alice")
    with pytest.raises(LoginRefused, match="not taken here"):
        porch.enter(b"alice", "imap")  # there is no certificate without TLS
    assert porch.enter(b"alice", "pops") is ALICE
    with pytest.raises(LoginRefused, match="not taken here"):
        Porch().gate.login_certificate("imaps", b"alice", ADDRESS)


def test_where_one_is_required_no_session_without_tls_logs_in() -> None:
    logins = POP.certificates
    assert logins is not None
    porch = CertifiedPorch({logins.require: True})
    with pytest.raises(LoginRefused, match="A client certificate is required here"):
        porch.gate.login("pop", "alice", "ecila", ADDRESS)
    assert porch.gate.login("pops", "alice", "ecila", ADDRESS) is ALICE
    assert porch.gate.login("imap", "alice", "ecila", ADDRESS) is ALICE
