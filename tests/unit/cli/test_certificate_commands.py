"""nmsd user cert, and nmsd explain login --cert, as an administrator runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.directory.authority import HOUR, SERVER, Authority, Pair
from tests.directory.test_cli_directory import Desk

ALICE = ("E", "alice@example.com")


class Office(Desk):
    """An instance with the embedded directory, alice in it, and an authority for users."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.authority = Authority(folder, "users-ca")
        self.pair = self.authority.user(ALICE)
        self.set(local__serveruid="root", encryption__clientcafile=str(self.authority.certificate))
        assert self.run("user", "add", "alice", "--password-stdin", input="secret\n").exit_code == 0

    def explain_cert(self, pair: Pair, *arguments: str) -> dict[str, Any]:
        return self.explain("--cert", str(pair.certificate), *arguments)

    def certs(self) -> list[dict[str, str]]:
        listed: list[dict[str, str]] = json.loads(self.run("user", "cert", "list", "alice", "--json").output)
        return listed


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def failed(told: dict[str, Any]) -> list[str]:
    return [step["what"] for step in told["steps"] if step["good"] is False]


# user cert


def test_a_certificate_is_added_listed_and_removed(office: Office, tmp_path: Path) -> None:
    in_der = tmp_path / "alice.der"
    in_der.write_bytes(office.pair.der)
    added = office.run("user", "cert", "add", "alice", str(office.pair.certificate))
    assert "of e=alice@example.com" in added.output
    [listed] = office.certs()
    assert listed["serial"] == f"{office.pair.loaded.serial_number:x}"
    assert listed["issuer"] == "cn=users-ca"
    assert "userCertificate;binary:: MII" in (office.path / "etc/directory.ldif").read_text()
    again = office.run("user", "cert", "add", "alice@example.com", str(in_der))
    assert again.exit_code == 1
    assert "has this certificate already" in again.output
    other = office.authority.user(ALICE)
    assert office.run("user", "cert", "add", "alice", str(other.certificate)).exit_code == 0
    assert len(office.certs()) == 2
    assert office.run("user", "cert", "remove", "alice", listed["serial"].upper()).exit_code == 0
    assert [each["serial"] for each in office.certs()] == [f"{other.loaded.serial_number:x}"]
    assert "no certificate 1234" in office.run("user", "cert", "remove", "alice", "1234").output
    assert office.run("user", "cert", "list", "alice").output.splitlines()[0].split() == [
        *("SERIAL", "UNTIL", "SUBJECT", "ISSUER")
    ]


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(office: Office, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for command in (
        ["user", "cert", "add", "alice", str(path)],
        ["user", "cert", "add", "alice", str(tmp_path / "no")],
    ):
        done = office.run(*command)
        assert done.exit_code == 1
        assert command[-1] in done.output
    assert office.certs() == []


# explain login --cert


def test_a_good_certificate_is_explained_step_by_step(office: Office) -> None:
    told = office.explain_cert(office.pair)
    assert told["admitted"] is True
    facts = {step["what"]: step["found"] for step in told["steps"]}
    assert facts["subject"] == "e=alice@example.com"
    assert facts["issuer"] == "cn=users-ca"
    assert facts["chain"] == "e=alice@example.com < cn=users-ca"
    assert facts["filter"] == "(mail=alice@example.com)"
    assert facts["entry"] == "alice, account alice@example.com"
    assert facts["result"] == "alice@example.com may use imaps from 127.0.0.1"
    assert "cipher rule" not in facts
    lines = office.run("explain", "login", "--cert", str(office.pair.certificate)).output.splitlines()
    assert lines[-1].split()[:2] == ["ok", "result:"]


@pytest.mark.parametrize(
    ("made", "what", "reason"),
    [
        ({"begins": -48 * HOUR, "ends": -HOUR}, "chain", "it has expired"),
        ({"uses": [SERVER]}, "chain", "not for the authentication of clients"),
        ({"signs_itself": True}, "chain", "signed by itself"),
    ],
)
def test_a_bad_certificate_is_found(office: Office, made: dict[str, Any], what: str, reason: str) -> None:
    told = office.explain_cert(office.authority.user(ALICE, **made))
    assert told["admitted"] is False
    assert failed(told) == [what, "result"]
    assert reason in told["reason"]


def test_a_revoked_one_is_found(office: Office, tmp_path: Path) -> None:
    office.authority.revoke(office.pair)
    office.set(encryption__clientcrlfiles=str(office.authority.write_list(tmp_path / "list")))
    assert "it is revoked" in office.explain_cert(office.pair)["reason"]
    other = office.explain_cert(office.authority.user(ALICE))
    assert next(step for step in other["steps"] if step["what"] == "revocation")["found"] == "not revoked"


@pytest.mark.parametrize(
    ("settings", "arguments", "what", "reason"),
    [
        ({"encryption__clientcafile": ""}, [], "authorities", "asked for no certificate"),
        ({"service__imap__allowcertificatelogin": "no"}, [], "certificate login", "allowcertificatelogin is no"),
        ({}, ["--service", "imap"], "TLS", "without TLS has no certificate"),
        ({"service__pop__enable": "no"}, ["--service", "pops"], "service", "service.pop.enable is no"),
        ({}, ["carol"], "acts as", "may not be carol"),
        ({"store__admins": "alice"}, ["carol"], "acts as", "there is no user carol"),
    ],
)
def test_a_mistake_is_found(
    office: Office, settings: dict[str, str], arguments: list[str], what: str, reason: str
) -> None:
    office.set(**settings)
    told = office.explain_cert(office.pair, *arguments)
    assert told["admitted"] is False
    assert what in failed(told)
    assert reason in told["reason"]


def test_whom_it_stands_for_is_explained(office: Office) -> None:
    nobody = office.explain_cert(office.authority.user(("E", "carol@example.com")))
    assert nobody["reason"] == "no entry is what the certificate says"
    assert failed(nobody) == ["entries", "mapping", "result"]
    certmap = office.path / "etc/certmap.conf"
    certmap.write_text(certmap.read_text() + "default:verifycert on\n")
    assert failed(office.explain_cert(office.pair)) == ["verifycert", "mapping", "result"]
    office.run("user", "cert", "add", "alice", str(office.pair.certificate))
    assert office.explain_cert(office.pair)["admitted"] is True


def test_an_administrators_certificate_lets_act_as_another(office: Office) -> None:
    office.run("user", "add", "carol", "--password-stdin", input="secret\n")
    office.set(store__admins="alice")
    told = office.explain_cert(office.pair, "carol")
    assert told["admitted"] is True
    assert told["steps"][-1]["found"] == "carol@example.com may use imaps from 127.0.0.1"


def test_a_required_certificate_shows_with_passwords_as_well(office: Office) -> None:
    office.set(service__imap__requirecertificate="yes")
    assert failed(office.explain("alice")) == ["certificate", "result"]
    assert office.explain("alice", "--service", "imaps")["admitted"] is True


def test_one_login_at_a_time_is_explained(office: Office) -> None:
    assert "whose login?" in office.run("explain", "login").output
    both = office.run("explain", "login", "--cert", str(office.pair.certificate), "--password-stdin", input="x\n")
    assert "give one" in both.output
    assert office.run("explain", "login", "--cert", str(office.folder / "none")).exit_code == 1
