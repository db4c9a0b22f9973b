"""Logins by certificate with real clients: openssl, curl, mutt, Python's own."""

from __future__ import annotations

import imaplib
import poplib
import re
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.clients.harness import HOST, Instance, Line, instance_directory
from tests.clients.letters import letter
from tests.clients.test_mutt import on_terminal
from tests.directory.authority import Authority, Pair

ALICE = ("E", "alice@example.com")


class Hall:
    """A server whose users have certificates of `authority`; alice has one, and a password."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.authority = Authority(folder, "users-ca")
        values = {
            "encryption.clientcafile": self.authority.certificate,
            "logfile.imap.loglevel": "Information",
            **settings,
        }
        self.instance = Instance.make(folder, values)
        self.alice = self.instance.add_user("alice")
        self.pair = self.authority.user(ALICE)
        self.instance.start()

    def tls(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client's TLS, with alice's certificate unless another is given."""
        context = self.instance.tls()
        chosen = pair or self.pair
        context.load_cert_chain(chosen.certificate, chosen.key)
        return context


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    """Clients ask for their login."""
    with instance_directory() as folder:
        made = Hall(folder)
        yield made
        made.instance.stop()


@pytest.fixture(scope="module")
def open_hall() -> Iterator[Hall]:
    """Clients are logged in by the greeting."""
    with instance_directory() as folder:
        preauth = {f"service.{name}.certificatepreauth": "yes" for name in ("imap", "pop")}
        made = Hall(folder, **preauth)
        yield made
        made.instance.stop()


def external(hall: Hall, authorize: bytes = b"", pair: Pair | None = None) -> imaplib.IMAP4_SSL:
    """An IMAP client that has logged in by its certificate."""
    client = imaplib.IMAP4_SSL("localhost", hall.instance.port(993), ssl_context=hall.tls(pair), timeout=60)
    client.authenticate("EXTERNAL", lambda challenge: authorize)
    return client


def run(command: Sequence[str], input: str = "") -> str:
    """Runs a program; gives what it wrote."""
    done = subprocess.run(command, input=input.encode(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def s_client(hall: Hall, port: int, said: str, *options: str, with_certificate: bool = True) -> str:
    """What openssl s_client gets for what is said."""
    shown = ["-cert", str(hall.pair.certificate), "-key", str(hall.pair.key)] if with_certificate else []
    address = f"{HOST}:{hall.instance.port(port)}"
    return run(["openssl", "s_client", "-quiet", "-crlf", "-connect", address, *shown, *options], said)


# The client asks


@pytest.mark.parametrize("port", [993, 143])
def test_an_imap_client_logs_in_by_external_over_tls_of_both_kinds(hall: Hall, port: int) -> None:
    if port == 993:
        client: imaplib.IMAP4 = external(hall)
    else:
        client = imaplib.IMAP4("localhost", hall.instance.port(143), timeout=60)
        assert "AUTH=EXTERNAL" not in client.capabilities
        client.starttls(hall.tls())
        assert "AUTH=EXTERNAL" in client.capabilities
        client.authenticate("EXTERNAL", lambda challenge: b"alice")
    with client:
        assert client.select("INBOX")[0] == "OK"
    assert "login: [127.0.0.1] certificate alice" in hall.instance.log()


def test_a_pop_client_logs_in_by_external(hall: Hall) -> None:
    client = poplib.POP3_SSL("localhost", hall.instance.port(995), context=hall.tls(), timeout=60)
    assert "EXTERNAL" in client.capa()["SASL"]
    assert client._shortcmd("AUTH EXTERNAL =").startswith(b"+OK")  # type: ignore[attr-defined]
    assert client.stat()[0] >= 0
    client.quit()


def test_passwords_and_certificates_stand_side_by_side(hall: Hall) -> None:
    with imaplib.IMAP4_SSL("localhost", hall.instance.port(993), ssl_context=hall.tls(), timeout=60) as client:
        assert client.login(hall.alice.name, hall.alice.password)[0] == "OK"
    with hall.instance.imap(hall.alice) as client:
        assert "AUTH=EXTERNAL" not in client.capabilities


def test_an_administrator_acts_as_another_and_others_do_not(hall: Hall) -> None:
    with pytest.raises(imaplib.IMAP4.error, match="AUTHORIZATIONFAILED"):
        external(hall, b"carol")
    carol = hall.instance.add_user("carol")
    hall.instance.nmsd("config", "set", "store.admins", "alice")
    hall.instance.nmsd("reload")
    with external(hall, b"carol") as client:
        client.create("Carols")
    with hall.instance.imap(carol) as client:
        assert any(b"Carols" in line for line in client.list()[1])


@pytest.mark.needs("curl")
def test_curl_fetches_by_certificate(hall: Hall) -> None:
    with external(hall) as client:
        client.append("INBOX", None, None, letter("by certificate"))
    shown = ["--cert", str(hall.pair.certificate), "--key", str(hall.pair.key), "--user", "alice:"]
    curl = ["curl", "--silent", "--show-error", "--cacert", str(hall.instance.certificate), *shown]
    by_external = ["--login-options", "AUTH=EXTERNAL"]

    listed = run([*curl, *by_external, f"imaps://localhost:{hall.instance.port(993)}/INBOX?SUBJECT%20certificate"])
    fetched = run([*curl, *by_external, f"pop3s://localhost:{hall.instance.port(995)}/1"])

    assert listed.startswith("* SEARCH 1")
    assert "Subject: by certificate" in fetched


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_logs_in_over_starttls_and_stls(hall: Hall, version: str) -> None:
    said = s_client(hall, 143, "a AUTHENTICATE EXTERNAL =\nb LOGOUT\n", "-starttls", "imap", version)
    assert re.search(r"^a OK .*Logged in", said, re.MULTILINE)
    said = s_client(hall, 110, "AUTH EXTERNAL =\nQUIT\n", "-starttls", "pop3", version)
    assert "+OK Maildrop has" in said


@pytest.mark.needs("openssl")
def test_the_client_is_told_which_authorities_are_meant(hall: Hall) -> None:
    address = f"{HOST}:{hall.instance.port(993)}"
    told = run(["openssl", "s_client", "-connect", address], "a LOGOUT\n")
    assert "Acceptable client certificate CA names\nCN = users-ca" in told


# The greeting does


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_is_greeted_as_who_it_is(open_hall: Hall, version: str) -> None:
    said = s_client(open_hall, 993, "a SELECT INBOX\nb LOGOUT\n", version)
    assert said.startswith("* PREAUTH [CAPABILITY IMAP4rev1")
    assert re.search(r"^a OK \[READ-WRITE\]", said, re.MULTILINE)
    said = s_client(open_hall, 995, "STAT\nQUIT\n", version)
    assert re.match(r"\+OK Maildrop has \d+ messages .*\r\n\+OK \d+ \d+\r\n", said)


@pytest.mark.needs("openssl")
def test_starttls_is_followed_by_no_greeting_and_external_logs_in(open_hall: Hall) -> None:
    said = s_client(open_hall, 143, "a AUTHENTICATE EXTERNAL =\nb LOGOUT\n", "-starttls", "imap")
    assert "PREAUTH" not in said
    assert "a OK" in said


def test_pythons_imap_client_knows_that_it_is_logged_in(open_hall: Hall) -> None:
    port = open_hall.instance.port(993)
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=open_hall.tls(), timeout=60) as client:
        assert client.state == "AUTH"
        assert client.select("INBOX")[0] == "OK"


def test_the_maildrop_is_locked_by_the_greeting(open_hall: Hall) -> None:
    port = open_hall.instance.port(995)
    with Line(port, open_hall.tls()) as first:
        assert first.readline().startswith(b"+OK Maildrop has")
        with Line(port, open_hall.tls()) as second:
            assert b"POP3 service" in second.readline()
            first.send(b"QUIT\r\n")
            first.until(b"+OK")
            first.rest()
            second.send(b"AUTH EXTERNAL =\r\n")
            assert second.readline().startswith(b"+OK Maildrop has")


def test_a_client_without_a_certificate_is_greeted_as_ever(open_hall: Hall) -> None:
    with open_hall.instance.imap(open_hall.alice) as client:
        assert client.select("INBOX")[0] == "OK"
    client = open_hall.instance.pop(open_hall.alice)
    assert client.stat()[0] >= 0
    client.quit()


@pytest.mark.needs("mutt")
def test_mutt_reads_mail_without_a_login(open_hall: Hall, home: Path) -> None:
    instance = open_hall.instance
    instance.append(open_hall.alice, [letter("for mutt")])
    both = home / "alice.pem"
    both.write_bytes(open_hall.pair.certificate.read_bytes() + open_hall.pair.key.read_bytes())
    (home / "muttrc").write_text(
        f"""
set folder = "imaps://alice@localhost:{instance.port(993)}/"
set spoolfile = "+INBOX"
set certificate_file = "{instance.certificate}"
set ssl_client_cert = "{both}"
set header_cache = ""
set quit = yes
"""
    )
    environment = {"HOME": str(home), "TERM": "vt100", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LINES": "40"}

    screen = on_terminal(["mutt", "-n", "-F", str(home / "muttrc")], environment, [("for mutt", "q")])

    assert "for mutt" in screen
    assert "assword" not in screen
