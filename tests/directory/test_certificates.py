"""Whose a certificate is, asked of real directory servers."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nmsd.directory.certificate import CertificateMapper
from nmsd.directory.ldap_settings import BASE
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable
from tests.clients.harness import Instance, instance_directory
from tests.directory.authority import Authority, Pair
from tests.directory.conftest import MakeStand
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN, SUFFIX, person
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer
from tests.directory.stand import Stand
from tests.directory.test_cli_directory import Desk as CommandDesk
from tests.directory.test_ldap_instance import until

IN_PEOPLE = (("DC", "com"), ("DC", "example"), ("OU", "People"))


class Desk:
    """A mapper that asks a back end; `authority` signs for the users."""

    def __init__(self, folder: Path, stand: Stand) -> None:
        self.stand = stand
        self.authority = Authority(folder, "users-ca")
        self._path = folder / "etc/certmap.conf"
        self._path.parent.mkdir(exist_ok=True)
        self.rules("default:DNComps", "default:FilterComps e, uid")
        self.mapper = CertificateMapper(stand.config, stand.directory, stand.events, stand.clock)

    def rules(self, *lines: str) -> None:
        new = self._path.with_suffix(".new")
        new.write_text("\n".join(["certmap default default", *lines, ""]))
        new.rename(self._path)

    def who(self, *parts: tuple[str, str], emails: Sequence[str] = ()) -> str:
        """The login name of whom a certificate with this subject stands for."""
        return self.of(self.authority.user(*parts, emails=emails))

    def of(self, pair: Pair) -> str:
        return self.mapper.user_of(pair.der).uid


@pytest.fixture
def desk(stand: Stand, tmp_path: Path) -> Desk:
    return Desk(tmp_path, stand)


@pytest.fixture(scope="module")
def holder(server: DirectoryServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A certificate that is in its user's entry, with another one."""
    authority = Authority(tmp_path_factory.mktemp("holder"), "users-ca")
    pair, older = (authority.user(("E", "holder@example.com")) for _ in range(2))
    server.add(person("holder"))
    with server.admin() as connection:
        change = {"userCertificate;binary": [("MODIFY_ADD", [older.der, pair.der])]}
        connection.modify(f"uid=holder,{PEOPLE}", change)
    yield pair
    server.delete("holder")


def test_the_address_is_the_users_mail_and_the_uid_the_login_name(desk: Desk) -> None:
    assert desk.who(("E", "alice@example.com")) == "alice"
    assert desk.who(("CN", "x"), emails=["ALICE@example.com"]) == "alice"
    assert desk.who(("UID", "user7"), ("E", "user7@example.com")) == "user7"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([("E", "carol@example.com")], "no entry is what the certificate says"),
        ([("E", "alice@example.com"), ("UID", "bob")], "no entry is what the certificate says"),
        ([("CN", "alice")], "nothing of what default's rules ask for"),
        ([("E", "staff@example.com")], "is no user"),
    ],
)
def test_a_certificate_that_is_nobodys_is_refused(desk: Desk, parts: list[tuple[str, str]], reason: str) -> None:
    with pytest.raises(BadCredentials, match=reason):
        desk.who(*parts)


def test_two_entries_are_refused_and_never_guessed_from(desk: Desk) -> None:
    desk.rules("default:DNComps", "default:FilterComps ou")
    with pytest.raises(BadCredentials, match="is no user"):  # ou=People itself is the one with such a part
        desk.who(("OU", "People"))
    desk.rules("default:DNComps", "default:FilterComps e")
    with pytest.raises(AmbiguousEntry, match=r"the certificate is both uid=user1,.* and uid=user2,"):
        desk.who(("CN", "x"), emails=["user1@example.com", "user2@example.com"])


@pytest.mark.parametrize(
    "value",
    [
        *(
            "*",
            "ali*",
            "alice)(objectClass=*",
            "*)(uid=*))(|(uid=*",
            "alice\\2a",
            "alice\x00",
            "\\",
            "(&)",
            " ",
            "  alice*",
        ),
        *("alice\n", "#616c696365", "alice\u200b", "ALICE=*", "\\61lice", "u" * 5000),
    ],
)
def test_what_looks_like_a_filter_is_just_a_name(desk: Desk, value: str) -> None:
    for part in ("E", "UID"):
        with pytest.raises(BadCredentials):
            desk.who((part, value))


@pytest.mark.parametrize(
    "value",
    ["People,dc=example", "People+uid=alice", "*", "\\", '"People"', "People\x00", "#0406", "a,dc=example,dc=com"],
)
def test_what_looks_like_a_name_of_an_entry_is_just_a_part_of_one(desk: Desk, value: str) -> None:
    desk.rules("default:DNComps ou dc", "default:FilterComps uid")
    with pytest.raises(BadCredentials, match=r"no entry|control characters"):
        desk.who(("DC", "com"), ("DC", "example"), ("OU", value), ("UID", "alice"))
    desk.rules()
    with pytest.raises(BadCredentials, match=r"no entry|control characters"):
        desk.who(*IN_PEOPLE, ("UID", value))


def test_odd_but_honest_names_are_found(desk: Desk) -> None:
    assert desk.who(("UID", "a*b")) == "a*b"
    assert desk.who(("UID", "(paren)")) == "(paren)"
    assert desk.who(("UID", "back\\slash")) == "back\\slash"
    desk.rules()
    assert desk.who(*IN_PEOPLE, ("UID", "a*b")) == "a*b"


def test_dncomps_make_the_base(desk: Desk) -> None:
    desk.rules("default:DNComps ou dc", "default:FilterComps uid")
    assert desk.who(*IN_PEOPLE, ("UID", "alice")) == "alice"
    for parts in (
        [("DC", "com"), ("DC", "example"), ("OU", "Robots"), ("UID", "alice")],
        [("DC", "org"), ("DC", "example"), ("UID", "alice")],
        [("UID", "alice")],
    ):
        with pytest.raises(BadCredentials):
            desk.who(*parts)


def test_a_base_above_the_users_finds_users_only(
    server: DirectoryServer, make_stand: MakeStand, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, make_stand(server.url, **{BASE.name: f"uid=alice,{PEOPLE}"}))
    desk.rules("default:DNComps dc", "default:FilterComps uid")
    above = IN_PEOPLE[:2]
    assert desk.who(*above, ("UID", "alice")) == "alice"
    with pytest.raises(BadCredentials, match="no entry"):
        desk.who(*above, ("UID", "bob"))
    desk.rules()
    assert desk.who(*IN_PEOPLE, ("UID", "alice")) == "alice"
    with pytest.raises(BadCredentials, match="no entry"):
        desk.who(*IN_PEOPLE, ("UID", "bob"))


def test_a_kind_of_part_that_the_directory_does_not_know_finds_nobody(desk: Desk) -> None:
    desk.rules()
    with pytest.raises(BadCredentials, match="no entry"):
        desk.who(*IN_PEOPLE, ("E", "alice@example.com"))


def test_cmapldapattr_holds_the_subject(desk: Desk, server: DirectoryServer) -> None:
    desk.rules("default:DNComps", "default:FilterComps e", "default:CmapLdapAttr description")
    server.replace("user11", "description", "E=boss@elsewhere.example, CN=The Boss, O=Example, C=US")
    server.replace("user12", "description", "CN=Other,O=Example,C=US")
    try:
        subject = [("C", "US"), ("O", "Example"), ("CN", "The Boss"), ("E", "boss@elsewhere.example")]
        assert desk.who(*subject) == "user11"
        assert desk.who(("C", "US"), ("O", "Example"), ("CN", "Other")) == "user12"
        assert desk.who(("E", "alice@example.com")) == "alice"
        with pytest.raises(BadCredentials):
            desk.who(("C", "US"), ("O", "Example"), ("CN", "*"))
    finally:
        server.replace("user11", "description")
        server.replace("user12", "description")


def test_verifycert_wants_the_very_certificate_in_the_entry(desk: Desk, holder: Pair) -> None:
    other = desk.authority.user(("E", "holder@example.com"))
    assert desk.of(other) == "holder"
    desk.rules("default:DNComps", "default:FilterComps e", "default:verifycert on")
    assert desk.of(holder) == "holder"
    with pytest.raises(BadCredentials, match="another certificate, or none"):
        desk.of(other)
    with pytest.raises(BadCredentials, match="another certificate, or none"):
        desk.who(("E", "alice@example.com"))


def test_a_directory_that_is_away_is_no_wrong_certificate(
    server: DirectoryServer, make_stand: MakeStand, tmp_path: Path
) -> None:
    relay = Relay(server.port)
    desk = Desk(tmp_path, make_stand(relay.url))
    pair = desk.authority.user(("E", "alice@example.com"))
    assert desk.of(pair) == "alice"
    relay.die()
    assert desk.of(pair) == "alice"  # remembered
    with pytest.raises(DirectoryUnavailable):
        desk.who(("E", "bob@example.com"))
    desk.stand.clock.now += 100_000
    with pytest.raises(DirectoryUnavailable):
        desk.of(pair)


def test_an_entry_that_changed_is_asked_for_again(desk: Desk) -> None:
    pair = desk.authority.user(("E", "user13@example.com"))
    user = desk.mapper.user_of(pair.der)
    assert desk.mapper.user_of(pair.der) is user
    desk.stand.directory.forget_entry(f"uid=user14,{PEOPLE}")
    assert desk.mapper.user_of(pair.der) is user
    desk.stand.directory.forget_entry(user.dn)
    assert desk.mapper.user_of(pair.der) is not user


def test_a_base_that_is_missing_is_the_directorys_fault_where_it_is_the_users(
    server: DirectoryServer, make_stand: MakeStand, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, make_stand(server.url, **{BASE.name: f"ou=Nowhere,{SUFFIX}"}))
    with pytest.raises(DirectoryUnavailable, match="ou=Nowhere"):
        desk.who(("E", "alice@example.com"))


def test_explain_walks_through_it(desk: Desk, server: DirectoryServer, tmp_path: Path) -> None:
    office = command_line(tmp_path / "office", server.url)
    office.set(encryption__clientcafile=str(desk.authority.certificate))
    pair = desk.authority.user(("E", "alice@example.com"))
    told = office.explain("--cert", str(pair.certificate))
    assert told["admitted"] is True
    facts = {step["what"]: step["found"] for step in told["steps"]}
    assert facts["base"] == f"{PEOPLE} (and all below)"
    assert facts["filter"] == "(mail=alice@example.com)"
    assert facts["entries"] == f"uid=alice,{PEOPLE}"
    held = desk.authority.user(("UID", "held"))
    assert "This account is hold" in office.explain("--cert", str(held.certificate))["reason"]
    office.set(local__ugldapbindcred="mistyped")
    away = office.explain("--cert", str(pair.certificate))
    assert [step["what"] for step in away["steps"] if step["good"] is False] == ["search", "mapping", "result"]


def command_line(folder: Path, url: str) -> CommandDesk:
    """An instance whose users are in the directory there."""
    folder.mkdir()
    made = CommandDesk(folder)
    made.set(
        local__ugldapbasedn=PEOPLE,
        local__ugldapbinddn=SERVICE_DN,
        local__ugldapbindcred=SECRET,
        local__ugldaphost=url,
        local__serveruid="root",
    )
    return made


def test_a_running_server_takes_a_certificate_until_it_is_taken_out_of_the_entry(
    desk: Desk, server: DirectoryServer
) -> None:
    pair = desk.authority.user(("E", "user15@example.com"))
    dn = f"uid=user15,{PEOPLE}"
    with server.admin() as connection:
        connection.modify(dn, {"userCertificate;binary": [("MODIFY_REPLACE", [pair.der])]})
    with instance_directory() as folder:
        authorities = folder / "users-ca.pem"
        authorities.write_bytes(desk.authority.certificate.read_bytes())
        values = {
            "local.ugldapbasedn": PEOPLE,
            "local.ugldapbinddn": SERVICE_DN,
            "local.ugldapbindcred": SECRET,
            "local.ugldaphost": server.url,
            "encryption.clientcafile": authorities,
        }
        instance = Instance.make(folder, values)
        rules = instance.directory / "etc/certmap.conf"
        rules.write_text(rules.read_text() + "default:verifycert on\n")
        instance.start()
        try:
            context = instance.tls()
            context.load_cert_chain(pair.certificate, pair.key)

            def is_let_in() -> bool:
                with imaplib.IMAP4_SSL("localhost", instance.port(993), ssl_context=context, timeout=60) as client:
                    try:
                        client.authenticate("EXTERNAL", lambda challenge: b"")
                    except imaplib.IMAP4.error as refused:
                        if "AUTHENTICATIONFAILED" not in str(refused):
                            raise
                        return False
                    return client.select("INBOX")[0] == "OK"

            assert is_let_in()
            with server.admin() as connection:
                connection.modify(dn, {"userCertificate;binary": [("MODIFY_DELETE", [])]})
            until(lambda: not is_let_in())
        finally:
            instance.stop()
