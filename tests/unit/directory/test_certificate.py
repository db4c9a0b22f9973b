"""Whose a certificate is, by the rules: with the embedded directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from nmsd.config.setting import Config
from nmsd.directory.certificate import CertificateMapper, run
from nmsd.directory.ldap_settings import CACHE_SIZE, CACHE_TTL, NEGATIVE_TTL
from nmsd.directory.ldif import LdifDirectory
from nmsd.directory.ldif_file import render_line
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable
from tests.directory.authority import Authority
from tests.directory.stand import AtOnce, Clock, Events

PEOPLE = "ou=People,o=Example,c=US"
ALICE = ("E", "alice@example.com")


def person(uid: str, *lines: str, mail: str = "") -> str:
    return "\n".join(
        [f"dn: uid={uid},{PEOPLE}", f"uid: {uid}", f"mail: {mail or uid + '@example.com'}", *lines, "", ""]
    )


class Office:
    """A directory in a file, the rules, and a mapper; `authority` signs for the users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "etc").mkdir()
        self.authority = Authority(folder, "ca")
        self.clock = Clock()
        self.events = Events()
        self.config = Config({}, str(folder))
        self.write(person("alice", "cn: Alice Doe"), person("bob"), person("zero", "mailQuota: 0"))
        self.rules("default:DNComps\ndefault:FilterComps e, uid")
        self.directory = LdifDirectory(self.config, AtOnce(), self.events)
        self.mapper = CertificateMapper(self.config, self.directory, self.events, self.clock)

    def write(self, *entries: str) -> None:
        head = "dn: ou=People,o=Example,c=US\nou: People\n\ndn: cn=room,o=Example,c=US\nmail: room@example.com\n\n"
        self._replace(self.folder / "etc/directory.ldif", head + "".join(entries))

    def rules(self, *lines: str) -> None:
        self._replace(self.folder / "etc/certmap.conf", "\n".join(["certmap default default", *lines, ""]))

    def _replace(self, path: Path, text: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)

    def who(self, *parts: tuple[str, str], emails: Sequence[str] = ()) -> str:
        """The login name of whom a certificate with this subject stands for."""
        return self.mapper.user_of(self.authority.user(*parts, emails=emails).der).uid


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_address_in_the_subject_or_beside_it_is_the_users_mail(office: Office) -> None:
    assert office.who(ALICE) == "alice"
    assert office.who(("E", "ALICE@Example.Com"), ("CN", "whatever")) == "alice"
    assert office.who(("CN", "x"), emails=["old@example.com", "bob@example.com"]) == "bob"
    assert office.who(("UID", "bob")) == "bob"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([("E", "carol@example.com")], "no entry is what the certificate says"),
        ([("CN", "alice")], "nothing of what default's rules ask for"),
        ([], "nothing of what default's rules ask for"),
        ([ALICE, ("UID", "bob")], "no entry is what the certificate says"),
        ([("E", "room@example.com")], "is no user"),
    ],
)
def test_a_certificate_that_is_nobodys_is_refused_with_the_reason(
    office: Office, parts: list[tuple[str, str]], reason: str
) -> None:
    with pytest.raises(BadCredentials, match=reason):
        office.who(*parts)


def test_two_entries_are_refused_and_never_guessed_from(office: Office) -> None:
    office.write(person("alice"), person("alice2", mail="alice@example.com"))
    with pytest.raises(AmbiguousEntry, match=r"both uid=alice,.* and uid=alice2,"):
        office.who(ALICE)
    with pytest.raises(AmbiguousEntry):
        office.who(("CN", "x"), emails=["bob@example.com", "alice@example.com"])


def test_an_entry_that_is_wrong_is_no_wrong_certificate(office: Office) -> None:
    with pytest.raises(DirectoryUnavailable, match="quota of 0"):
        office.who(("E", "zero@example.com"))


@pytest.mark.parametrize(
    "value", ["*", "a*", "alice@example.com)(uid=*", "*)(uid=*))(|(uid=*", "alice\\2a", "alice\x00", "\\", "(&)", " "]
)
def test_what_looks_like_a_filter_is_just_a_name(office: Office, value: str) -> None:
    for part in ("E", "UID"):
        with pytest.raises(BadCredentials):
            office.who((part, value))


def test_dncomps_make_the_base(office: Office) -> None:
    office.rules("default:DNComps ou o c", "default:FilterComps uid")
    ours = [("C", "US"), ("O", "Example"), ("OU", "People")]
    assert office.who(*ours, ("UID", "alice")) == "alice"
    assert office.who(("O", "example"), ("C", "us"), ("UID", "bob")) == "bob"  # those it lacks are left out
    with pytest.raises(BadCredentials):
        office.who(*ours[:2], ("OU", "Robots"), ("UID", "alice"))
    with pytest.raises(BadCredentials):
        office.who(("UID", "alice"))


def test_without_dncomps_the_subject_is_the_entry(office: Office) -> None:
    office.rules()
    whole = [("C", "US"), ("O", "Example"), ("OU", "People"), ("UID", "alice")]
    assert office.who(*whole) == "alice"
    for parts in (whole[:3], whole[3:], [*whole, ("CN", "x")], [], [*whole[:3], ("UID", "alice,ou=People")]):
        with pytest.raises(BadCredentials):
            office.who(*parts)
    office.rules("default:FilterComps e")
    assert office.who(*whole, emails=["alice@example.com"]) == "alice"
    with pytest.raises(BadCredentials):
        office.who(*whole, emails=["bob@example.com"])


def test_dncomps_without_filtercomps_name_the_entry(office: Office) -> None:
    office.rules("default:DNComps uid ou o c")
    assert office.who(("C", "US"), ("O", "Example"), ("OU", "People"), ("UID", "alice"), ("CN", "x")) == "alice"
    with pytest.raises(BadCredentials):
        office.who(("C", "US"), ("O", "Example"), ("OU", "People"))


def test_cmapldapattr_holds_the_subject_and_is_looked_for_first(office: Office) -> None:
    office.write(
        person("alice", "certSubjectDN: CN=The Boss, O=Example, C=US"),
        person("bob", "certSubjectDN: emailAddress=alice@example.com,O=Example"),
        person("carol"),
    )
    office.rules("default:DNComps", "default:FilterComps e", "default:CmapLdapAttr certSubjectDN")
    assert office.who(("C", "US"), ("O", "Example"), ("CN", "the boss")) == "alice"
    assert office.who(("O", "Example"), ALICE) == "bob"
    assert office.who(ALICE) == "alice"
    assert office.who(("E", "carol@example.com")) == "carol"


def test_verifycert_wants_the_very_certificate_in_the_entry(office: Office) -> None:
    good, other = office.authority.user(ALICE), office.authority.user(ALICE)
    line = render_line("userCertificate;binary", good.der.decode("utf-8", "surrogateescape")).decode()
    office.write(person("alice", line.rstrip("\n")), person("bob"))
    assert office.mapper.user_of(other.der).uid == "alice"
    office.rules("default:DNComps", "default:FilterComps e", "default:verifycert on")
    assert office.mapper.user_of(good.der).uid == "alice"
    with pytest.raises(BadCredentials, match="another certificate, or none"):
        office.mapper.user_of(other.der)
    with pytest.raises(BadCredentials, match="another certificate, or none"):
        office.who(("E", "bob@example.com"))


def test_each_issuer_has_its_rules(office: Office) -> None:
    other = Authority(office.folder, "other ca")
    office.rules(
        "default:DNComps",
        "default:FilterComps e",
        "certmap other CN = Other  CA",
        "other:DNComps",
        "other:FilterComps cn",
    )
    subject = (("CN", "Alice Doe"), ("E", "bob@example.com"))
    assert office.mapper.user_of(office.authority.user(*subject).der).uid == "bob"
    assert office.mapper.user_of(other.user(*subject).der).uid == "alice"


def test_bytes_that_are_no_certificate_are_refused(office: Office) -> None:
    good = office.authority.user(ALICE).der
    for bad in (b"", b"\x30", b"\x30\x82\xff\xff", good[:-20], good + b"x", b"\x30\x03\x02\x01\x00", bytes(500)):
        with pytest.raises(BadCredentials, match="cannot be read"):
            office.mapper.user_of(bad)
        assert office.mapper.subject_of(bad) == "(unreadable)"
    assert office.mapper.subject_of(good) == "e=alice@example.com"


# What is remembered


def test_an_answer_is_remembered_for_its_time_and_forgotten_with_the_directorys_change(office: Office) -> None:
    office.config.adopt(Config({CACHE_TTL.name: 100, NEGATIVE_TTL.name: 10}, str(office.folder)))
    der = office.authority.user(ALICE).der
    first = office.mapper.user_of(der)
    assert office.mapper.user_of(der) is first
    office.write(person("alice", mail="other@example.com"))
    with pytest.raises(BadCredentials):
        office.mapper.user_of(der)
    office.write(person("alice"))
    assert office.mapper.user_of(der).uid == "alice"


def test_so_is_that_there_is_nobody_and_each_for_its_time(office: Office) -> None:
    asked: list[object] = []

    class Asked:
        generation = 1

        def find_entries(self, search: object) -> object:
            asked.append(search)
            return office.directory.find_entries(search)  # type: ignore[arg-type]

    office.config.adopt(Config({CACHE_TTL.name: 100, NEGATIVE_TTL.name: 10}, str(office.folder)))
    mapper = CertificateMapper(office.config, Asked(), office.events, office.clock)  # type: ignore[arg-type]
    alice, carol = office.authority.user(ALICE).der, office.authority.user(("E", "carol@example.com")).der

    def ask() -> int:
        before = len(asked)
        mapper.user_of(alice)
        with pytest.raises(BadCredentials, match="no entry"):
            mapper.user_of(carol)
        return len(asked) - before

    assert [ask(), ask()] == [2, 0]
    office.clock.now += 11
    assert ask() == 1
    office.clock.now += 100
    assert ask() == 2


def test_so_much_is_remembered_and_no_more(office: Office) -> None:
    office.config.adopt(Config({CACHE_SIZE.name: 2}, str(office.folder)))
    for _ in range(5):
        office.who(ALICE)
    assert len(office.mapper._answers) == 2


def test_changed_rules_count_at_once_and_broken_ones_leave_those_there_were(office: Office) -> None:
    der = office.authority.user(ALICE, ("UID", "bob")).der
    office.rules("default:DNComps", "default:FilterComps e")
    assert office.mapper.user_of(der).uid == "alice"
    office.rules("default:DNComps", "default:FilterComps uid")
    assert office.mapper.user_of(der).uid == "bob"
    office.rules("default:FilterComps shoesize")
    assert office.mapper.user_of(der).uid == "bob"
    assert sum("shoesize" in line for line in office.events.lines) == 1
    os.unlink(office.folder / "etc/certmap.conf")
    with pytest.raises(BadCredentials):
        office.mapper.user_of(der)  # the shipped ones: both parts, which are no one user's


def test_rules_that_never_were_good_let_nobody_in(office: Office) -> None:
    office.rules("default:FilterComps shoesize")
    mapper = CertificateMapper(office.config, office.directory, office.events, office.clock)
    with pytest.raises(DirectoryUnavailable, match=r"certmap\.conf cannot be used"):
        mapper.user_of(office.authority.user(ALICE).der)


def test_the_walk_tells_its_steps(office: Office) -> None:
    told = []

    def walk() -> object:
        for step in (steps := office.mapper.walk(office.authority.user(ALICE).der)):
            told.append((step.what, step.good))
        return steps

    walk()
    assert told == [
        ("certificate map", None),
        ("rules", None),
        ("base", None),
        ("filter", None),
        ("entries", True),
        ("entry", True),
    ]
    assert run(office.mapper.walk(office.authority.user(ALICE).der)).uid == "alice"
