"""Certificates that are no good: no login by them, a password all the same, and the reason in the log alone."""

from __future__ import annotations

import imaplib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.harness import HOST, Instance, Line, instance_directory
from tests.directory.authority import HOUR, SERVER, Authority, Pair

ALICE = ("E", "alice@example.com")


class Hall:
    """A server with a revocation list, alice, and two who share an address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "users-ca")
        self.stranger = Authority(folder, "strangers-ca")
        self.list = self.authority.write_list(folder / "list.crl")
        values = {
            "encryption.clientcafile": self.authority.certificate,
            "encryption.clientcrlfiles": self.list,
            "service.badlogin.delay": 0,
            "service.readtimeout": 2,
        }
        self.instance = Instance.make(folder, values)
        self.alice = self.instance.add_user("alice")
        for name in ("twin1", "twin2"):
            self.instance.add_user(name)
        path = self.instance.directory / "etc/directory.ldif"
        path.write_text(path.read_text().replace("mail: twin2@", "mail: twin1@"))
        self.instance.start()
        self._read = len(self.instance.log())

    def context(self, pair: Pair) -> ssl.SSLContext:
        """A client's TLS that shows the certificate."""
        context = self.instance.tls()
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    def imap(self, pair: Pair) -> imaplib.IMAP4_SSL:
        """An IMAP client that shows the certificate and has not logged in."""
        return imaplib.IMAP4_SSL("localhost", self.instance.port(993), ssl_context=self.context(pair), timeout=60)

    def logged(self) -> list[str]:
        """The lines of bad logins since the last call."""
        path = self.instance.directory / "log/imap.log"
        lines = path.read_text().splitlines() if path.exists() else []
        fresh, self._lines = lines[getattr(self, "_lines", 0) :], len(lines)
        return [line for line in fresh if "badlogin" in line]


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    """One for all these tests."""
    with instance_directory() as folder:
        made = Hall(folder)
        yield made
        made.instance.stop()


def revoked(hall: Hall) -> Pair:
    """A certificate that is on the list."""
    pair = hall.authority.user(ALICE)
    hall.authority.revoke(pair)
    hall.authority.write_list(hall.folder / "new.crl").rename(hall.list)
    hall.instance.nmsd("reload")
    return pair


def below_a_stranger(hall: Hall) -> Pair:
    """A certificate whose authority calls itself as ours is called."""
    folder = hall.folder / "elsewhere"
    folder.mkdir()
    return Authority(folder, "users-ca").user(ALICE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda hall: hall.authority.user(ALICE, begins=-48 * HOUR, ends=-HOUR), "it has expired"),
        (lambda hall: hall.authority.user(ALICE, begins=HOUR), "it is not valid yet"),
        (lambda hall: hall.authority.user(ALICE, signs_itself=True), "signed by itself, and not trusted"),
        (lambda hall: hall.authority.user(ALICE, uses=[SERVER]), "not for the authentication of clients"),
        (lambda hall: hall.stranger.user(ALICE), "no trusted authority has issued it"),
        (below_a_stranger, "signature is wrong"),
        (revoked, "it is revoked"),
    ],
)
def test_a_certificate_that_is_not_accepted(hall: Hall, make: Callable[[Hall], Pair], reason: str) -> None:
    pair = make(hall)
    hall.logged()
    with hall.imap(pair) as client:
        assert "AUTH=EXTERNAL" not in client.capabilities
        with pytest.raises(imaplib.IMAP4.error) as told:
            client.authenticate("EXTERNAL", lambda challenge: b"")
        assert reason not in str(told.value)
        assert client.login(hall.alice.name, hall.alice.password)[0] == "OK"
    [line] = hall.logged()
    assert "badlogin: [127.0.0.1] certificate e=alice@example.com" in line
    assert reason in line


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (("E", "carol@example.com"), "no entry is what the certificate says"),
        (("CN", "alice"), "nothing of what default's rules ask for"),
        (("E", "twin1@example.com"), "the certificate is both uid=twin1"),
        (("E", "*"), "no entry is what the certificate says"),
        (("UID", "*)(uid=*"), "no entry is what the certificate says"),
        (("UID", "alice\n[25/Nov/2026] login: all is well"), "control characters"),
        (("UID", "alice\x00"), "control characters"),
    ],
)
def test_a_certificate_that_is_nobodys(hall: Hall, subject: tuple[str, str], reason: str) -> None:
    pair = hall.authority.user(subject)
    hall.logged()
    with hall.imap(pair) as client:
        with pytest.raises(imaplib.IMAP4.error) as told:
            client.authenticate("EXTERNAL", lambda challenge: b"")
        assert "[AUTHENTICATIONFAILED] Invalid user name or password" in str(told.value)
        assert client.login(hall.alice.name, hall.alice.password)[0] == "OK"
    [line] = hall.logged()
    assert line.startswith("[")
    assert f"certificate {subject[0].lower()}=" in line
    assert reason in line


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_with_bytes_for_a_certificate_harms_nobody(hall: Hall, version: ssl.TLSVersion) -> None:
    """The records of a client's handshake, with noise in the place where its certificate is."""
    context = hall.context(hall.authority.user(ALICE))
    context.minimum_version = context.maximum_version = version
    for place in range(0, 1200, 97):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection((HOST, hall.instance.port(993)), timeout=60) as sock:
            for flight in range(3):
                try:
                    client.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                said = bytearray(outgoing.read())
                if flight == 1 and len(said) > 20:
                    said[10 + place % (len(said) - 15)] ^= 0xFF
                try:
                    sock.sendall(said)
                    answer = sock.recv(1 << 16)
                except OSError:
                    break
                if not answer or answer[0] == 21:
                    break
                incoming.write(answer)
    with hall.imap(hall.authority.user(ALICE)) as fine:
        fine.authenticate("EXTERNAL", lambda challenge: b"")
    assert "Traceback" not in hall.instance.log()
    assert "session failed" not in hall.instance.log()


def test_where_a_certificate_is_required_there_is_nothing_without_one(hall: Hall) -> None:
    instance = hall.instance
    instance.nmsd("config", "set", "service.imap.requirecertificate", "yes")
    instance.nmsd("reload")
    try:
        with Line(instance.port(993), instance.tls()) as line:
            assert line.rest() == b"* BYE A client certificate is required here\r\n"
        with Line(instance.port(143)) as line:
            assert b" LOGINDISABLED " in line.readline()
            assert line.ask(f"LOGIN alice {hall.alice.password!r}".encode()).startswith(b"t1 BAD")
            assert line.ask(f'LOGIN alice "{hall.alice.password}"'.encode()).startswith(b"t1 NO [PRIVACYREQUIRED]")
        with hall.imap(hall.authority.user(("CN", "a phone"))) as client:  # nobody's, but acceptable
            assert client.login(hall.alice.name, hall.alice.password)[0] == "OK"
    finally:
        instance.nmsd("config", "unset", "service.imap.requirecertificate")
        instance.nmsd("reload")


def test_a_list_that_is_damaged_leaves_the_one_there_was(hall: Hall) -> None:
    pair = hall.authority.user(ALICE)
    good = hall.list.read_bytes()
    (hall.folder / "new.crl").write_bytes(good[:100])
    os.rename(hall.folder / "new.crl", hall.list)
    refused = hall.instance.nmsd("reload", check=False)
    assert refused.returncode == 2
    assert f"{hall.list}: no revocation list, or a damaged one" in refused.stderr.decode()
    with hall.imap(pair) as client:
        client.authenticate("EXTERNAL", lambda challenge: b"")
    hall.list.write_bytes(good)
    hall.instance.nmsd("reload")


def test_mistakes_in_the_rules_stop_a_reload_and_no_login(hall: Hall) -> None:
    path = hall.instance.directory / "etc/certmap.conf"
    good = path.read_text()
    path.write_text(good + "default:FilterComps cn\ndefault:verifycert maybe\n")
    try:
        for command in (["config", "check"], ["reload"]):
            told = hall.instance.nmsd(*command, check=False)
            assert told.returncode == 2
            assert f"{path}:{len(good.splitlines()) + 1}: default:FilterComps = cn" in told.stderr.decode()
        with hall.imap(hall.authority.user(ALICE)) as client:
            client.authenticate("EXTERNAL", lambda challenge: b"")
    finally:
        path.write_text(good)
