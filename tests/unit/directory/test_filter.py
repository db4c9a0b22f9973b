"""Search filters as the embedded directory applies them, names, and the URLs of dynamic groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.directory.filter import parse_filter
from nmsd.directory.ldap_names import is_below, normal
from nmsd.directory.member_url import parse_member_url

ENTRY = {"uid": ["ann"], "l": ["New  York", "Berlin"], "n": ["7"], "cn": ["a*b (c)"]}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("(uid=ANN)", True),
        ("(uid=ben)", False),
        ("(l=new york)", True),
        ("(l=*er*n)", True),
        ("(l=ber*)", True),
        ("(l=*lin*er*)", False),
        ("(mail=*)", False),
        ("(uid=*)", True),
        ("(&(uid=ann)(l=berlin))", True),
        ("(|(uid=ben)(l=berlin))", True),
        ("(!(uid=ann))", False),
        ("(&)", True),
        ("(|)", False),
        ("(n>=6)", True),
        ("(n<=6)", False),
        ("(n>=10)", False),
        (r"(cn=a\2ab \28c\29)", True),
        (r"(cn=a\2a*)", True),
        ("(uid;lang-en~=Ann)", True),
        ("(&(objectClass=*)(!(|(uid=ben)(uid=carl))))", False),
    ],
)
def test_a_filter_is_applied(text: str, matches: bool) -> None:
    assert parse_filter(text)(ENTRY) is matches


@pytest.mark.parametrize(
    "text", ["", "uid=ann", "(uid=ann", "(uid=ann))", "(&(uid=ann)", "(!(a=b)(c=d))", "(uid)", "(uid:dn:=ann)", "(=x)"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_filter(text)


@given(st.text(alphabet="()&|!=*\\ab: 2", max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        found = parse_filter(text)
    except ValueError:
        return
    assert found(ENTRY) in (True, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UID=Ann, OU=People ,dc=Example,DC=com", "uid=ann,ou=people,dc=example,dc=com"),
        (r"cn=A\, B,dc=com", r"CN=a\, b , dc=com"),
        ("cn=a+sn=b,dc=com", "cn = a+sn=b,dc=com"),
    ],
)
def test_names_that_differ_in_case_and_spaces_are_the_same(one: str, other: str) -> None:
    assert normal(one) == normal(other)


def test_below_is_told_by_whole_parts() -> None:
    assert is_below("uid=a,ou=x,dc=com", "ou=x,dc=com")
    assert is_below("ou=x,dc=com", "ou=x, dc=com")
    assert is_below("uid=a", "")
    assert not is_below("ou=xou=x,dc=com", "ou=x,dc=com")
    assert not is_below(r"cn=a\,ou=x,dc=com", "ou=x,dc=com")


def test_a_url_covers_what_its_scope_says() -> None:
    deep, near, base = "uid=a,ou=y,ou=x,dc=com", r"cn=a\, b,ou=x,dc=com", "ou=x,dc=com"
    assert [parse_member_url("ldap:///ou=x,dc=com??sub").covers(dn) for dn in (deep, near, base)] == [True, True, True]
    assert [parse_member_url("ldap:///ou=x,dc=com??one").covers(dn) for dn in (deep, near, base)] == [
        False,
        True,
        False,
    ]
    assert [parse_member_url("LDAP:///ou=x,dc=com").covers(dn) for dn in (deep, near, base)] == [False, False, True]
    assert parse_member_url("ldap:///dc=com??sub?(l=New%20York)").filter == "(l=New York)"


@pytest.mark.parametrize(
    "text",
    ["", "http:///dc=com", "ldap://host/dc=com??sub", "ldap:///dc=com??deep", "ldap:///dc=com??sub?(a=b)?!x-strange"],
)
def test_what_is_no_url_of_members_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_member_url(text)
