"""LDIF files: read strictly, written back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.directory.ldif_file import LdifError, LdifFile, parse_ldif, render_line

SAMPLE = b"""version: 1

# The owner keeps this comment.
dn: uid=alice,dc=example,dc=com
objectClass: person
# so does this one
cn;lang-en: Alice
CN: Alice B
 axter
mail:alice@example.com
description:: QWxpY2Ugw4QK

dn:: dWlkPWJvYixkYz1leGFtcGxlLGRjPWNvbQ==
uid: bob


# the end
"""


def entry(file: LdifFile, number: int = 0) -> dict[str, list[str]]:
    return list(file.entries())[number].attributes()


def test_entries_are_read_with_folding_base64_options_and_comments() -> None:
    file = parse_ldif(SAMPLE)
    assert [one.dn for one in file.entries()] == ["uid=alice,dc=example,dc=com", "uid=bob,dc=example,dc=com"]
    assert entry(file) == {
        "objectclass": ["person"],
        "cn": ["Alice", "Alice Baxter"],
        "mail": ["alice@example.com"],
        "description": ["Alice Ä\n"],
    }


def test_a_file_with_crlf_line_ends_is_read_alike() -> None:
    file = parse_ldif(SAMPLE.replace(b"\n", b"\r\n"))
    assert entry(file) == entry(parse_ldif(SAMPLE))
    assert file.raw() == SAMPLE.replace(b"\n", b"\r\n")


def test_values_in_plain_utf_8_are_taken() -> None:
    assert entry(parse_ldif("dn: cn=Ä\ncn: Ä\n".encode())) == {"cn": ["Ä"]}


def test_an_edit_touches_nothing_but_its_lines() -> None:
    file = parse_ldif(SAMPLE)
    next(file.entries()).replace("CN", ["Alice"])
    expected = SAMPLE.replace(b"cn;lang-en: Alice\nCN: Alice B\n axter\n", b"CN: Alice\n")
    assert file.raw() == expected


def test_an_attribute_that_was_not_there_goes_to_the_end_of_its_entry() -> None:
    file = parse_ldif(SAMPLE)
    list(file.entries())[1].replace("mail", ["bob@example.com", "b@example.com"])
    assert b"uid: bob\nmail: bob@example.com\nmail: b@example.com\n\n\n# the end" in file.raw()


def test_an_entry_is_removed_with_the_empty_line_after_it() -> None:
    file = parse_ldif(b"dn: cn=a\ncn: a\n\ndn: cn=b\ncn: b\n\ndn: cn=c\ncn: c\n")
    file.remove(list(file.entries())[1])
    assert file.raw() == b"dn: cn=a\ncn: a\n\ndn: cn=c\ncn: c\n"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n", b"\n\n\n"])
def test_an_entry_is_added_after_an_empty_line(ending: bytes) -> None:
    file = parse_ldif(b"dn: cn=a\ncn: a" + ending)
    file.add("cn=b", [("cn", "b"), ("sn", " b")])
    again = parse_ldif(file.raw())
    assert [one.dn for one in again.entries()] == ["cn=a", "cn=b"]
    assert entry(again, 1) == {"cn": ["b"], "sn": [" b"]}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"dn: cn=a\ncn\n", "line 2: no attribute name"),
        (b"cn: a\n", "line 1: an entry must begin with dn"),
        (b"dn:\ncn: a\n", "line 1: the dn is empty"),
        (b"dn: cn=a\ncn:: a?\n", "line 2: not base64"),
        (b"dn: cn=a\ncn:< file:///etc/passwd\n", "line 2: values at URLs"),
        (b"dn: cn=a\ncn: \xff\n", "line 2: not UTF-8"),
        (b"dn: cn=a\ncn: a\0b\n", "line 2: a control character"),
        (b"dn: cn=a\nchangetype: delete\n", "line 2: changetype in the middle"),
        (b"dn: cn=a\ncn: a\ndn: cn=b\n", "line 3: dn in the middle"),
        (b"dn: cn=a\ncn: a\n\ndn: CN=A\ncn: b\n", "a second entry"),
        (b"version: 2\n\ndn: cn=a\n", "line 1: LDIF version"),
        (b" x\n", "line 1: begins with a space"),
        (b"dn: cn=a\n\n x\n", "follows an empty one"),
        (b"\xef\xbb\xbfdn: cn=a\n", "byte order mark"),
        (b"dn: cn=a\n-\n", "line 2: a change record"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(data: bytes, told: str) -> None:
    with pytest.raises(LdifError, match=told):
        parse_ldif(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        file = parse_ldif(data)
    except LdifError:
        return
    assert file.raw() in (data, data + b"\n")


@given(st.text(max_size=200))
def test_a_file_cut_anywhere_is_read_or_refused(text: str) -> None:
    whole = SAMPLE + render_line("description", text)
    for end in range(0, len(whole), 7):
        try:
            parse_ldif(whole[:end])
        except LdifError:
            pass


ATTRIBUTE = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True).filter(lambda name: name not in ("dn", "changetype"))


@given(st.text(min_size=1), st.lists(st.tuples(ATTRIBUTE, st.text())))
def test_what_is_written_is_read_again(dn: str, attributes: list[tuple[str, str]]) -> None:
    file = LdifFile([])
    file.add(dn, attributes)
    raw = file.raw()
    again = parse_ldif(raw)
    assert all(len(line) <= 76 for line in raw.split(b"\n"))
    assert [one.dn for one in again.entries()] == [dn]
    expected: dict[str, list[str]] = {}
    for name, value in attributes:
        expected.setdefault(name, []).append(value)
    assert entry(again) == expected
