"""Distinguished names: read, compared, written."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from nmsd.directory.certificate_name import parts_of, text_of
from nmsd.directory.dn import is_within, normal, parse_dn, write_dn

KINDS = st.sampled_from(["cn", "o", "ou", "c", "uid", "e", "1.2.3.4"])
VALUES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
NAMES = st.lists(st.lists(st.tuples(KINDS, VALUES), min_size=1, max_size=2), max_size=4)


@given(NAMES)
def test_what_is_written_is_read_again(rdns: list[list[tuple[str, str]]]) -> None:
    assert parse_dn(write_dn(rdns)) == rdns
    assert parse_dn(write_dn(rdns, ", ")) == rdns


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        rdns = parse_dn(text)
    except ValueError:
        return
    assert parse_dn(write_dn(rdns)) == rdns


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", []),
        ("CN=My CA, O=Example, C=US", [[("cn", "My CA")], [("o", "Example")], [("c", "US")]]),
        ("cn = a ;o=b", [[("cn", "a")], [("o", "b")]]),
        ('OU="Sales, \\"East\\"" , O=x', [[("ou", 'Sales, "East"')], [("o", "x")]]),
        ("CN=a\\, b\\3d\\\\\\ ", [[("cn", "a, b=\\ ")]]),
        ("UID=jdoe+CN=J Doe,2.5.4.10=x", [[("uid", "jdoe"), ("cn", "J Doe")], [("o", "x")]]),
        ("OID.2.5.4.3=a, emailAddress=b@c", [[("cn", "a")], [("e", "b@c")]]),
        ("1.2.3.4=#04024869,CN=", [[("1.2.3.4", "#04024869")], [("cn", "")]]),
        ("CN=L\\c4\\8di\\c4\\87", [[("cn", "Lčić")]]),
        ("CN=a=b", [[("cn", "a=b")]]),
    ],
)
def test_names_are_read_as_rfc_4514_and_its_elders_write_them(text: str, name: list[list[tuple[str, str]]]) -> None:
    assert parse_dn(text) == name


@pytest.mark.parametrize(
    "text", ["x", "=a", "CN=a,", "CN=a,,O=b", 'CN="a', 'CN="a"b', "CN=a\\", "CN=\\ff", "CN=a<b", "CN=a+", "9=a"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_dn(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=My  CA,O=EXAMPLE", "cn=my ca, o=Example"),
        ("CN=a+O=b", "O=B + CN=A"),
        ("E=a@b", "emailAddress=A@B"),
        ("CN=Straße", "cn=STRASSE"),
        ("CN=ﬁne", "CN=fine"),
    ],
)
def test_names_are_the_same_whatever_their_case_and_spaces(one: str, other: str) -> None:
    assert normal(parse_dn(one)) == normal(parse_dn(other))


@pytest.mark.parametrize(
    ("one", "other"), [("CN=a,O=b", "O=b,CN=a"), ("CN=a", "CN=a,O=b"), ("CN=a", "OU=a"), ("CN=a\\,O=b", "CN=a,O=b")]
)
def test_others_are_not(one: str, other: str) -> None:
    assert normal(parse_dn(one)) != normal(parse_dn(other))


def test_one_name_lies_within_another_by_whole_parts() -> None:
    def within(name: str, base: str) -> bool:
        return is_within(normal(parse_dn(name)), normal(parse_dn(base)))

    assert within("uid=a,ou=People,o=x", "OU=people,O=X")
    assert within("o=x", "o=x")
    assert within("o=x", "")
    assert not within("o=x", "ou=People,o=x")
    assert not within("uid=a,ou=Sheeple\\,o=x", "o=x")


def test_a_name_in_a_certificate_is_turned_round_and_cannot_control_a_terminal() -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b"),
            x509.NameAttribute(NameOID.COMMON_NAME, "evil\n\x1b[31m, CN=other"),
        ]
    )
    assert text_of(name) == "cn=evil\\0a\\1b[31m\\, CN=other,e=a@b,c=US"
    assert parse_dn(text_of(name)) == parts_of(name)
