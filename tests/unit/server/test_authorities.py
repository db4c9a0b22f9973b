"""Whose certificates are accepted, and what the log says of the others."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import crypto

from nmsd.config.services import CLIENT_CA_FILE, CLIENT_CRL_FILES
from nmsd.config.setting import Config
from nmsd.directory.certificate import read_certificate
from nmsd.directory.certificate_name import UNREADABLE, text_of
from nmsd.model.errors import BadCredentials
from nmsd.server.authorities import Authorities, Unusable, Verdict, file_problems
from nmsd.server.settings import CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED
from tests.directory.authority import CLIENT, HOUR, SERVER, Authority, Pair

ALICE = ("CN", "alice")


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "root")


def settings(root: Authority, *lists: Path, **values: Any) -> Config:
    names = {CLIENT_CA_FILE.name: str(root.certificate), CLIENT_CRL_FILES.name: tuple(map(str, lists))}
    return Config({**names, **values}, "/nowhere")


def check(pair: Pair, config: Config) -> Verdict:
    first, *others = [
        crypto.load_certificate(crypto.FILETYPE_PEM, b"-----BEGIN" + piece)
        for piece in pair.certificate.read_bytes().split(b"-----BEGIN")[1:]
    ]
    return Authorities(config, time.time).check(first, others)


def test_a_good_certificate_is_accepted_and_its_chain_told(root: Authority) -> None:
    assert check(root.user(ALICE), settings(root)) == Verdict(
        "", ("cn=alice", "cn=root"), "not looked up, encryption.clientcrlfiles is empty"
    )


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        ({"begins": -48 * HOUR, "ends": -HOUR}, "it has expired"),
        ({"begins": HOUR}, "it is not valid yet"),
        ({"signs_itself": True}, "it is signed by itself, and not trusted"),
        ({"uses": [SERVER]}, "it is not for the authentication of clients"),
        ({"uses": [SERVER, CLIENT]}, ""),
        ({"uses": []}, ""),
    ],
)
def test_a_certificate_is_refused_for_a_reason(root: Authority, made: dict[str, Any], refusal: str) -> None:
    assert check(root.user(ALICE, **made), settings(root)).refusal == refusal


def test_another_authority_is_not_trusted_even_if_it_calls_itself_the_same(root: Authority, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert check(Authority(tmp_path, "other").user(ALICE), settings(root)).refusal == (
        "no trusted authority has issued it"
    )
    assert "signature" in check(Authority(elsewhere, "root").user(ALICE), settings(root)).refusal


def test_an_authority_below_a_trusted_one_is_trusted_if_the_client_sends_it(root: Authority, tmp_path: Path) -> None:
    below = Authority(tmp_path, "below", root)
    assert check(below.user(ALICE), settings(root)).refusal == "no trusted authority has issued it"
    verdict = check(below.user(ALICE, with_chain=True), settings(root))
    assert (verdict.refusal, verdict.chain) == ("", ("cn=alice", "cn=below", "cn=root"))


def test_a_user_is_no_authority(root: Authority, tmp_path: Path) -> None:
    user = Authority(tmp_path, "user", root, is_authority=False)
    assert "no authority" in check(user.user(ALICE, with_chain=True), settings(root)).refusal


def test_an_authority_in_the_file_is_trusted_whoever_signed_it(root: Authority, tmp_path: Path) -> None:
    below = Authority(tmp_path, "below", root)
    assert check(below.user(ALICE), settings(below)).refusal == ""
    assert check(root.user(ALICE), settings(below)).refusal == "no trusted authority has issued it"


@pytest.mark.parametrize("in_der", [False, True])
def test_a_revoked_certificate_is_refused(root: Authority, tmp_path: Path, in_der: bool) -> None:
    alice, bob = root.user(ALICE), root.user(("CN", "bob"))
    root.revoke(alice)
    config = settings(root, root.write_list(tmp_path / "list", in_der=in_der))
    assert check(alice, config).refusal == "it is revoked"
    assert check(bob, config) == Verdict("", ("cn=bob", "cn=root"), "not revoked")


def test_authorities_are_looked_up_as_well_unless_the_settings_say_otherwise(root: Authority, tmp_path: Path) -> None:
    below = Authority(tmp_path, "below", root)
    alice = below.user(ALICE, with_chain=True)
    lists = below.write_list(tmp_path / "below.crl")
    leaf = {CLIENT_CRL_CHECK.name: "leaf"}
    assert "no revocation list" in check(alice, settings(root, lists)).refusal
    assert check(alice, settings(root, lists, **leaf)).refusal == ""
    both = (lists, root.write_list(tmp_path / "root.crl"))
    assert check(alice, settings(root, *both)).refusal == ""
    root.revoke(Pair(below.certificate, below.certificate))
    both = (lists, root.write_list(tmp_path / "root.crl"))
    assert check(alice, settings(root, *both)).refusal == "of cn=below above it: it is revoked"
    assert check(alice, settings(root, *both, **leaf)).refusal == ""


def test_a_list_of_another_authority_says_nothing(root: Authority, tmp_path: Path) -> None:
    lists = Authority(tmp_path, "other").write_list(tmp_path / "list")
    assert check(root.user(ALICE), settings(root, lists)).refusal == "there is no revocation list of its issuer"


def test_a_forged_list_is_not_believed(root: Authority, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lists = Authority(elsewhere, "root").write_list(tmp_path / "list")
    assert "revocation list" in check(root.user(ALICE), settings(root, lists)).refusal


def test_an_expired_list_refuses_everybody_or_goes_on_as_the_setting_says(root: Authority, tmp_path: Path) -> None:
    alice, bob = root.user(ALICE), root.user(("CN", "bob"))
    late = root.user(("CN", "late"), begins=-48 * HOUR, ends=-HOUR)
    root.revoke(alice)
    lists = root.write_list(tmp_path / "list", ends=-HOUR)
    for pair in (alice, bob):
        assert check(pair, settings(root, lists)).refusal == "its issuer's revocation list has expired"
    config = settings(root, lists, **{CLIENT_CRL_EXPIRED.name: "use"})
    assert check(alice, config).refusal == "it is revoked"
    assert check(bob, config).refusal == ""
    assert check(late, config).refusal == "it has expired"


def test_what_ends_is_told_in_order(root: Authority, tmp_path: Path) -> None:
    lists = root.write_list(tmp_path / "list", ends=HOUR)
    ends = Authorities(settings(root, lists), time.time).ends()
    assert [what for _, what in ends] == ["the revocation list of cn=root", "the certificate of cn=root"]
    assert 3000 < ends[0][0] - time.time() < 4000


def test_a_certificate_with_an_extension_twice_is_refused_even_if_its_authority_signed_it(root: Authority) -> None:
    names, uses = b"\x06\x03\x55\x1d\x11", b"\x06\x03\x55\x1d\x25"
    content = root.user(ALICE, emails=["alice@example.com"]).loaded.tbs_certificate_bytes
    assert content.count(names) == content.count(uses) == 1
    authorities = Authorities(settings(root), time.time)

    def refusal(content: bytes) -> str:
        made = crypto.load_certificate(crypto.FILETYPE_ASN1, root.sign(content))
        return authorities.check(made, ()).refusal

    assert refusal(content) == ""
    assert refusal(content.replace(names, uses)) != ""


AUTHORITY = Authority(Path(tempfile.mkdtemp(prefix="nmsd-ca-")), "root")
CONTENT = AUTHORITY.user(ALICE, ("E", "alice@example.com"), emails=["a@example.com"]).loaded.tbs_certificate_bytes


@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=4))
def test_whatever_an_authority_has_signed_there_is_a_verdict_and_a_user_or_none(changes: list[tuple[int, int]]) -> None:
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    der = AUTHORITY.sign(bytes(content))
    try:
        made = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return  # nor would a handshake take it
    Authorities(settings(AUTHORITY), time.time).check(made, (made,))
    try:
        text_of(made.to_cryptography().subject)
        read_certificate(der)
    except (BadCredentials, *UNREADABLE):
        pass


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_are_no_good_are_named(root: Authority, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    for name, value in ((CLIENT_CA_FILE.name, str(path)), (CLIENT_CRL_FILES.name, (str(path),))):
        config = settings(root, **{name: value})
        with pytest.raises(Unusable, match=str(path)):
            Authorities(config, time.time)
        [(told, text)] = file_problems(config)
        assert told == name
        assert str(path) in text
    assert list(file_problems(settings(root))) == []
