"""SASL with real clients: GNU SASL, curl, mbsync, and the standard library's."""

from __future__ import annotations

import hashlib
import imaplib
import json
import poplib
import re
import ssl
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.clients.harness import Instance, Person, instance_directory
from tests.clients.letters import letter
from tests.clients.scram import ScramClient

_KEY: Final = ec.generate_private_key(ec.SECP256R1())
_ISSUER: Final = "https://id.example.com/"
_LETTER: Final = letter("for alice")


@pytest.fixture(scope="module")
def hall() -> Iterator[Instance]:
    """A running server with all ways in: alice, root who is an administrator, and an archive open to all."""
    settings = {
        "password.scram": "yes",
        "password.scramiterations": 4096,
        "store.admins": "root",
        "service.badlogin.delay": 0,
        "service.anonymoususer": "archive",
        "service.imap.allowanonymouslogin": "yes",
        "service.pop.allowanonymouslogin": "yes",
        "sasl.oauth.issuer": _ISSUER,
        "sasl.oauth.audience": "imap",
        "sasl.oauth.keyset": "etc/keys.json",
        "logfile.imap.loglevel": "Information",
        "logfile.pop.loglevel": "Information",
    }
    with instance_directory() as directory:
        server = Instance.make(directory)
        with server.configuration.open("a") as file:  # all at once
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        key = {**json.loads(ECAlgorithm.to_jwk(_KEY.public_key())), "kid": "e1"}
        path = server.directory / "etc/keys.json"
        path.write_text(json.dumps({"keys": [key]}))
        path.chmod(0o644)
        for name in ("alice", "root", "archive"):
            server.add_user(name)
        server.start()
        server.append(Person("archive"), [letter("open to all"), letter("this too")])
        server.append(Person("alice"), [_LETTER])
        yield server
        server.stop()


@pytest.fixture
def alice() -> Person:
    return Person("alice")


def token(**changed: object) -> str:
    now = int(time.time())
    claims = {"iss": _ISSUER, "aud": "imap", "exp": now + 300, "email": "alice@example.com", **changed}
    return jwt.encode(claims, _KEY, algorithm="ES256", headers={"kid": "e1"})


def logins(server: Instance, service: str = "imap") -> list[str]:
    """What a service's log says of logins, good and bad, without times and fields."""
    log = (server.directory / f"log/{service}.log").read_text()
    return re.findall(r"((?:bad)?login: \[127\.0\.0\.1\] \S+ \S+)", log)


# GNU SASL


def gsasl(server: Instance, mechanism: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A login over STARTTLS, the certificate checked."""
    return subprocess.run(
        ["gsasl", "--imap", "--connect", f"localhost:{server.port(143)}", "--starttls"]
        + [f"--x509-ca-file={server.certificate}", "--mechanism", mechanism, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_gnu_sasl_logs_in_by_password(hall: Instance, alice: Person, mechanism: str) -> None:
    options = ["--no-cb"] if mechanism == "SCRAM-SHA-256" else []
    done = gsasl(hall, mechanism, "-a", alice.name, "-z", alice.name, "-p", alice.password, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert logins(hall)[-1] == f"login: [127.0.0.1] {mechanism} alice"


@pytest.mark.needs("gsasl")
@pytest.mark.parametrize("priority", ["NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"])
def test_gnu_sasl_binds_to_the_channel_of_either_tls(hall: Instance, alice: Person, priority: str) -> None:
    """By tls-exporter under TLS 1.3, by tls-unique under 1.2."""
    done = gsasl(hall, "SCRAM-SHA-256-PLUS", "-a", alice.name, "-z", "", "-p", alice.password, f"--priority={priority}")
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = b"p=tls-exporter" if priority.endswith("1.3") else b"p=tls-unique"
    assert any(b64decode(line).startswith(wanted) for line in done.stdout.splitlines() if line.startswith("cD10bHM"))


@pytest.mark.needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_gnu_sasl_is_told_the_same_of_wrong_passwords_and_unknown_users(
    hall: Instance, mechanism: str, name: str
) -> None:
    done = gsasl(hall, mechanism, "-a", name, "-z", name, "-p", "wrong", "--no-cb")
    assert done.returncode != 0
    assert ". NO [AUTHENTICATIONFAILED] Invalid user name or password" in done.stdout.splitlines()
    assert logins(hall)[-1] == f"badlogin: [127.0.0.1] {mechanism} {name}"


@pytest.mark.needs("gsasl")
def test_gnu_sasl_comes_in_as_nobody(hall: Instance) -> None:
    done = gsasl(hall, "ANONYMOUS", "--anonymous-token", "sirhc@example.com")
    assert done.returncode == 0, done.stdout + done.stderr
    assert logins(hall)[-1] == "login: [127.0.0.1] ANONYMOUS sirhc@example.com"


@pytest.mark.needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_gnu_sasl_acts_as_another_for_an_administrator_only(hall: Instance, alice: Person, mechanism: str) -> None:
    root = Person("root")
    done = gsasl(hall, mechanism, "-a", root.name, "-z", alice.name, "-p", root.password, "--no-cb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"proxy: [127.0.0.1] {mechanism} root" in hall.log()
    done = gsasl(hall, mechanism, "-a", alice.name, "-z", root.name, "-p", alice.password, "--no-cb")
    assert ". NO [AUTHORIZATIONFAILED] Not allowed to act as another user" in done.stdout.splitlines()


# curl


def curl(server: Instance, url: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", str(server.certificate), "--ssl-reqd", url, *options],
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.needs("curl")
@pytest.mark.parametrize("early", [(), ("--sasl-ir",)], ids=["asked", "at once"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "OAUTHBEARER"])
@pytest.mark.parametrize("scheme", ["imap", "imaps", "pop3", "pop3s"])
def test_curl_logs_in(hall: Instance, alice: Person, scheme: str, mechanism: str, early: tuple[str, ...]) -> None:
    port = hall.port({"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}[scheme])
    way = ["--oauth2-bearer", token()] if "AUTH" in mechanism else []
    password = "" if way else alice.password
    path = "INBOX;MAILINDEX=1" if scheme.startswith("imap") else "1"

    done = curl(
        hall,
        f"{scheme}://localhost:{port}/{path}",
        *("--user", f"{alice.name}:{password}", "--login-options", f"AUTH={mechanism}", *way, *early),
    )

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == _LETTER
    name = "alice@example.com" if way else "alice"
    assert logins(hall, scheme[:4].rstrip("3"))[-1] == f"login: [127.0.0.1] {mechanism} {name}"


@pytest.mark.needs("curl")
@pytest.mark.parametrize("scheme", ["imaps", "pop3s"])
@pytest.mark.parametrize(
    "changed",
    [{"exp": 1_700_000_000}, {"aud": "web"}, {"email": "archive@example.com"}, {"email": "nobody@example.com"}],
)
def test_curl_is_refused_with_a_token_that_is_no_good(
    hall: Instance, alice: Person, scheme: str, changed: dict[str, object]
) -> None:
    port = hall.port(993 if scheme == "imaps" else 995)
    done = curl(
        hall,
        f"{scheme}://localhost:{port}/",
        *("--user", f"{alice.name}:", "--login-options", "AUTH=OAUTHBEARER", "--oauth2-bearer", token(**changed)),
    )
    assert done.returncode == 67, done.stderr.decode()


# mbsync, by Cyrus SASL


@pytest.mark.needs("mbsync")
def test_mbsync_logs_in_by_scram(hall: Instance, alice: Person, home: Path) -> None:
    (home / "mail").mkdir()
    (home / "mbsyncrc").write_text(
        f"""
IMAPAccount server
Host localhost
Port {hall.port(993)}
User {alice.name}
Pass "{alice.password}"
AuthMechs SCRAM-SHA-256
SSLType IMAPS
SystemCertificates no
CertificateFile {hall.certificate}

IMAPStore far
Account server

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX

Channel all
Far :far:
Near :near:
Create Near
SyncState {home}/
"""
    )
    done = subprocess.run(
        ["mbsync", "--config", str(home / "mbsyncrc"), "--all"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    if "no mechanism available" in done.stderr.lower():
        pytest.skip("Cyrus SASL has no SCRAM-SHA-256 here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((home / "mail/INBOX/new").iterdir()) + list((home / "mail/INBOX/cur").iterdir())) == 1
    assert "login: [127.0.0.1] SCRAM-SHA-256 alice" in logins(hall)


# The standard library's clients


def end_point(sock: Any) -> tuple[str, bytes]:
    """tls-server-end-point, for a certificate that SHA-256 signed."""
    assert isinstance(sock, ssl.SSLSocket)
    certificate = sock.getpeercert(binary_form=True)
    assert certificate
    return "tls-server-end-point", hashlib.sha256(certificate).digest()


def pop_auth(client: poplib.POP3, mechanism: str, answer: Callable[[bytes], bytes]) -> bytes:
    """AUTH; gives the line it ended with."""
    client._putcmd(f"AUTH {mechanism}")  # type: ignore[attr-defined]
    while True:
        line, _ = client._getline()  # type: ignore[attr-defined]
        if not line.startswith(b"+ "):
            return bytes(line)
        client._putline(b64encode(answer(b64decode(line[2:]))))  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", ["imap", "pop"])
@pytest.mark.parametrize("bound", [False, True], ids=["unbound", "bound to the certificate"])
def test_both_sides_prove_themselves_by_scram(hall: Instance, alice: Person, service: str, bound: bool) -> None:
    mechanism = "SCRAM-SHA-256-PLUS" if bound else "SCRAM-SHA-256"
    if service == "imap":
        with hall.imap() as client:
            scram = ScramClient(alice.name, alice.password, end_point(client.sock) if bound else None)
            client.authenticate(mechanism, scram.answer)
            assert client.select()[1] == [b"1"]
    else:
        pop = hall.pop()
        scram = ScramClient(alice.name, alice.password, end_point(pop.sock) if bound else None)
        assert pop_auth(pop, mechanism, scram.answer).startswith(b"+OK Maildrop has 1 messages")
        pop.quit()
    assert scram.is_server_proven


@pytest.mark.parametrize(
    "scram",
    [
        lambda: ScramClient("alice", Person("alice").password, ("tls-server-end-point", bytes(32))),
        lambda: ScramClient("alice", Person("alice").password, ("tls-exporter", bytes(32))),
        lambda: ScramClient("alice", Person("alice").password, ("tls-unknown", bytes(32))),
    ],
)
def test_a_login_that_is_bound_to_another_channel_fails(hall: Instance, scram: Callable[[], ScramClient]) -> None:
    with hall.imap() as client, pytest.raises(imaplib.IMAP4.error, match="binding"):
        client.authenticate("SCRAM-SHA-256-PLUS", scram().answer)


def test_a_client_that_was_hidden_the_better_mechanism_from_is_told(hall: Instance, alice: Person) -> None:
    with hall.imap() as client, pytest.raises(imaplib.IMAP4.error, match="tampered"):
        client.authenticate("SCRAM-SHA-256", ScramClient(alice.name, alice.password, flag="y").answer)


def test_unknown_users_get_a_salt_that_stays_the_same_over_workers_and_restarts(hall: Instance) -> None:
    def salt(name: str) -> bytes:
        seen: list[bytes] = []

        def answer(challenge: bytes, scram: ScramClient = ScramClient(name, "wrong")) -> bytes:
            seen.append(challenge)
            return scram.answer(challenge)

        with hall.imap() as client, pytest.raises(imaplib.IMAP4.error):
            client.authenticate("SCRAM-SHA-256", answer)
        return seen[1].partition(b",")[2]

    first = salt("whoever")
    hall.nmsd("restart", "imap")
    assert salt("whoever") == first
    assert salt("whoever-else") != first


@pytest.mark.parametrize("service", ["imap", "pop"])
def test_a_token_lets_in_by_xoauth2_too(hall: Instance, service: str) -> None:
    def answers(good: bool) -> Callable[[bytes], bytes]:
        presented = token() if good else token(exp=1_700_000_000)
        said = iter((f"user=alice\1auth=Bearer {presented}\1\1".encode(), b""))
        return lambda challenge: next(said)

    if service == "imap":
        with hall.imap() as client:
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.authenticate("XOAUTH2", answers(False))
            client.authenticate("XOAUTH2", answers(True))
            assert client.select()[1] == [b"1"]
    else:
        pop = hall.pop()
        assert pop_auth(pop, "XOAUTH2", answers(False)).startswith(b"-ERR [AUTH]")
        assert pop_auth(pop, "XOAUTH2", answers(True)).startswith(b"+OK")
        pop.quit()
    assert logins(hall, service)[-2:] == [
        "badlogin: [127.0.0.1] XOAUTH2 alice",
        "login: [127.0.0.1] XOAUTH2 alice@example.com",
    ]


def test_anybody_reads_the_archive_and_changes_nothing(hall: Instance) -> None:
    with hall.imap() as client:
        client.login("anonymous", "sirhc@example.com")
        with pytest.raises(imaplib.IMAP4.readonly):
            client.select()
        assert client.select(readonly=True)[1] == [b"2"]
        status, data = client.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")
        assert status == "OK"
        assert b"open to all" in data[0][1]
        for refused in (
            lambda: client.store("1", "+FLAGS", "(\\Deleted)"),
            lambda: client.copy("1", "Trash"),
            lambda: client.append("INBOX", "", None, letter("spam")),
            lambda: client.create("Mine"),
        ):
            status, data = refused()
            assert status == "NO"
            assert data[0].startswith(b"[NOPERM]")
    kept = hall.messages(Person("archive"))
    assert [flags - {"\\Recent"} for _, flags in kept] == [frozenset(), frozenset()]


def test_several_read_the_archive_by_pop_while_its_owner_does_too(hall: Instance) -> None:
    first, second = hall.pop(), hall.pop()
    for client in (first, second):
        client.user("anonymous")
        client.pass_("sirhc@example.com")
    owner = hall.pop(Person("archive"))
    assert first.stat()[0] == second.stat()[0] == owner.stat()[0] == 2
    with pytest.raises(poplib.error_proto, match="no more"):
        first.dele(1)
    for client in (first, second, owner):
        client.quit()
    assert len(hall.messages(Person("archive"))) == 2


def test_an_administrator_becomes_other_users_by_proxyauth(hall: Instance, alice: Person) -> None:
    imaplib.Commands.setdefault("PROXYAUTH", ("AUTH",))
    with hall.imap(Person("root")) as client:
        assert client.xatom("PROXYAUTH", alice.name)[0] == "OK"
        assert client.status("INBOX", "(MESSAGES)")[1] == [b'"INBOX" (MESSAGES 1)']
        assert client.xatom("PROXYAUTH", "archive")[0] == "OK"
        assert client.status("INBOX", "(MESSAGES)")[1] == [b'"INBOX" (MESSAGES 2)']
    assert "proxy: [127.0.0.1] PROXYAUTH root" in hall.log()
    with hall.imap(alice) as client:
        assert client.xatom("PROXYAUTH", "archive")[0] == "NO"


def test_the_mechanisms_are_offered_that_can_be_used(hall: Instance) -> None:
    passwords = ["SCRAM-SHA-256", "PLAIN", "LOGIN", "ANONYMOUS"]
    with imaplib.IMAP4("localhost", hall.port(143)) as plain:
        assert [word.removeprefix("AUTH=") for word in plain.capabilities if word.startswith("AUTH=")] == passwords
    with hall.imap() as client:
        assert [word.removeprefix("AUTH=") for word in client.capabilities if word.startswith("AUTH=")] == [
            *("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "ANONYMOUS")
        ]
    assert hall.pop().capa()["SASL"] == [
        *("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "ANONYMOUS")
    ]
