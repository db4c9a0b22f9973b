"""Netscape's mail schema in real directories: what each attribute makes a login and a delivery answer."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nmsd.directory.users import admit
from nmsd.lmtp.delivery import Delivery
from nmsd.lmtp.envelope import parse_address
from nmsd.lmtp.reply import Refusal
from nmsd.model.errors import BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.server.gate import DirectoryGate
from nmsd.server.throttle import make_throttles
from tests.conftest import require
from tests.directory.conftest import MakeStand
from tests.directory.people import password, person
from tests.directory.relay import Relay
from tests.directory.servers import ROOT, DirectoryServer, free_ports
from tests.directory.stand import Stand


def enter(stand: Stand, uid: str, service: str = "imap", address: str = "203.0.113.9") -> None:
    """Logs in."""
    admit(stand.directory.authenticate(uid, password(uid)), service, address, lambda address: "")


@pytest.mark.parametrize(
    ("uid", "words"),
    [("held", "is hold"), ("gone", "is deleted"), ("odd", "is inactive")],
)
def test_a_status_that_is_not_active_refuses_the_login_after_the_right_password(
    stand: Stand, uid: str, words: str
) -> None:
    with pytest.raises(LoginRefused, match=words):
        enter(stand, uid)
    with pytest.raises(BadCredentials):
        stand.directory.authenticate(uid, "wrong")


def test_services_are_denied_by_name(stand: Stand) -> None:
    enter(stand, "popless", "imaps")
    for service in ("pop", "pops"):
        with pytest.raises(LoginRefused):
            enter(stand, "popless", service)


def test_services_are_allowed_by_rule(stand: Stand) -> None:
    enter(stand, "imapsonly", "imaps")
    for service in ("imap", "pop", "pops"):
        with pytest.raises(LoginRefused, match="may not use this service"):
            enter(stand, "imapsonly", service)


def test_clients_are_allowed_by_domain(stand: Stand) -> None:
    for address in ("192.0.2.200", "198.51.100.7"):
        enter(stand, "office", address=address)
    with pytest.raises(LoginRefused, match="from there"):
        enter(stand, "office", address="198.51.100.8")


def test_a_user_of_another_host_gets_a_referral_that_names_it_and_not_a_wrong_password(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    with pytest.raises(LoginRefused, match=r"mail2\.example\.net") as refused:
        enter(make_stand(server.url), "faraway")
    assert refused.value.code == "REFERRAL imap://faraway@mail2.example.net/"
    for name, value in (("local.mailhosts", ("MAIL2.example.net",)), ("local.mailhosts", ("*",))):
        enter(make_stand(server.url, **{name: value}), "faraway")
    for hostname in ("mail2.example.net", "mail2"):
        enter(make_stand(server.url, **{"local.hostname": hostname}), "faraway")


@pytest.mark.parametrize(
    ("uid", "code", "words"),
    [
        ("held", 450, "hold"),
        ("gone", 550, "No such user"),
        ("odd", 450, "inactive"),
        ("faraway", 551, "mail2.example.net"),
        ("forwarder", 550, "forward"),
    ],
)
def test_mail_for_users_without_a_mailbox_here_is_refused_with_the_reason(
    stand: Stand, uid: str, code: int, words: str
) -> None:
    delivery = Delivery(stand.config, None, stand.directory)  # type: ignore[arg-type]
    with pytest.raises(Refusal, match=re.escape(words)) as refused:
        delivery.recipient(parse_address(f"{uid}@example.com"))
    assert refused.value.reply.code == code


def test_the_names_of_attributes_are_settings(server: DirectoryServer, make_stand: MakeStand) -> None:
    names = {"local.ugattr.uid": ("sn",), "local.ugattr.mail": ("mailForwardingAddress",)}
    stand = make_stand(server.url, **names)
    user = stand.directory.find("forwarder")
    assert user is not None
    assert user.account == "elsewhere@example.net"


class _Shelf:
    """A store in which every account is there."""

    def account(self, name: str) -> Any:
        return self

    def exists(self) -> bool:
        return True


def _gate(stand: Stand) -> DirectoryGate:
    throttles = make_throttles(memoryview(bytearray(1024 * 16)).cast("Q"), bytes(16), stand.config, time.monotonic)
    store: Any = _Shelf()
    return DirectoryGate(
        stand.config, stand.directory, store, throttles, stand.events, stand.clock, lambda seconds: None
    )


def test_the_gate_remembers_a_login_until_the_entry_is_said_to_have_changed(
    server: DirectoryServer, make_stand: MakeStand
) -> None:
    relay = Relay(server.port)
    stand = make_stand(relay.url)
    gate = _gate(stand)
    server.add(person("regular"))
    try:
        for _ in range(3):
            gate.login("imap", "regular", password("regular"), "192.0.2.1")
        assert relay.connections == 2
        alice = stand.directory.find("alice")
        assert alice
        stand.directory.forget_entry(alice.dn)  # somebody else's
        relay.die()
        gate.login("imap", "regular", password("regular"), "192.0.2.1")
        regular = stand.directory.find("regular")
        assert regular
        stand.directory.forget_entry(regular.dn)
        with pytest.raises(DirectoryUnavailable):
            gate.login("imap", "regular", password("regular"), "192.0.2.1")
    finally:
        relay.die()
        server.delete("regular")


def test_a_client_is_not_told_where_the_directory_is_or_why_it_is_down(make_stand: MakeStand) -> None:
    stand = make_stand("ldap://127.0.0.1:1")
    with pytest.raises(DirectoryUnavailable) as refused:
        _gate(stand).login("imap", "alice", password("alice"), "192.0.2.1")
    assert str(refused.value) == "The directory is not available, try again later"
    assert sum("127.0.0.1:1" in line and line.startswith("Error") for line in stand.events.lines) == 1


def test_openldap_takes_the_schema_into_its_own_configuration() -> None:
    [port] = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="nmsd-ldap-"))
    config = folder / "slapd.conf"
    (folder / "config").mkdir()
    schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
    config.write_text(f"{schemas}database config\nrootdn cn=config\nrootpw secret\n")
    subprocess.run(
        [require("slaptest"), "-f", str(config), "-F", str(folder / "config")], check=True, capture_output=True
    )
    url = f"ldap://127.0.0.1:{port}"
    slapd = subprocess.Popen([require("slapd"), "-d", "0", "-F", str(folder / "config"), "-h", url])
    try:
        add = [require("ldapadd"), "-x", "-H", url, "-D", "cn=config", "-w", "secret"]
        beat = threading.Event()
        while subprocess.run(["ldapwhoami", "-x", "-H", url], capture_output=True, check=False).returncode:
            assert slapd.poll() is None
            beat.wait(0.05)
        for name in ("nmsd-mail.ldif", "nmsd-config.ldif", "authpassword.ldif"):
            done = subprocess.run([*add, "-f", str(ROOT / "etc/ldap" / name)], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
    finally:
        slapd.terminate()
        slapd.wait()
        shutil.rmtree(folder)


def _definitions(path: Path) -> set[str]:
    """What a schema file defines, spaces apart."""
    text = path.read_text().replace("\n ", "") if path.suffix == ".ldif" else path.read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    found = re.findall(r"\( [\d.]+ NAME .*?(?=\n(?:olc|attribute|object|\n)|\Z)", text, flags=re.DOTALL)
    return {" ".join(one.split()) for one in found}


def test_the_two_forms_of_the_schema_for_openldap_say_the_same() -> None:
    folder = ROOT / "etc/ldap"
    assert _definitions(folder / "nmsd-mail.schema") == _definitions(folder / "nmsd-mail.ldif")
    assert len(_definitions(folder / "nmsd-mail.schema")) == 33
    assert _definitions(folder / "98nmsd-mail.ldif") < _definitions(folder / "nmsd-mail.ldif")
    assert _definitions(folder / "nmsd-config.schema") == _definitions(folder / "nmsd-config.ldif")
    assert _definitions(folder / "authpassword.schema") == _definitions(folder / "authpassword.ldif")
    assert len(_definitions(folder / "authpassword.schema")) == 2
