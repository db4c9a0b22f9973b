"""LDAP messages written and read by hand: the same bytes as a general library's, and nothing hostile gets through."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3 import DEREF_NEVER, LEVEL, SIMPLE
from ldap3.operation.bind import bind_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from pyasn1.codec.ber import encoder

from nmsd.directory.ldap_ber import (
    BIND_RESPONSE,
    SEARCH_DONE,
    SEARCH_ENTRY,
    SEARCH_REFERENCE,
    BadFilter,
    bind_request,
    filter_bytes,
    read_message,
    search_request,
    whole,
)


def as_the_library_does(number: int, kind: str, request: Any) -> bytes:
    """The message, encoded by ldap3 and pyasn1."""
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, request)
    data: bytes = encoder.encode(message)
    return data


@pytest.mark.parametrize(
    "filter",
    [
        "(uid=alice)",
        "(objectClass=*)",
        "(&(uid=alice)(!(mail=a@example.com)))",
        "(|(uid=alice)(mail=alice@example.com)(mailAlternateAddress=alice@example.com))",
        r"(cn=a\2ab\28c\29\5c)",
        r"(cn=J\c3\bcrgen)",
        "(cn=*er*)",
        "(cn=a*b*c*d)",
        "(cn=a*)",
        "(createTimestamp>=20260101000000Z)",
        "(n<=7)",
        "(cn~=alise)",
        "(cn:caseExactMatch:=Alice)",
    ],
)
def test_a_search_is_written_as_the_library_writes_it(filter: str) -> None:
    request = search_operation(
        "ou=People,dc=example,dc=com", filter, LEVEL, DEREF_NEVER, ["uid", "mail"], 300, 5, False, False, False
    )
    ours = search_request(129, "ou=People,dc=example,dc=com", "onelevel", filter, ("uid", "mail"), 300, 5)
    assert ours == as_the_library_does(129, "searchRequest", request)


def test_a_truth_is_written_as_rfc_4511_wants_it() -> None:
    assert filter_bytes("(ou:dn:=a)") == tlv(0xA9, tlv(0x82, b"ou"), tlv(0x83, b"a"), tlv(0x84, b"\xff"))


def test_a_bind_is_written_as_the_library_writes_it() -> None:
    request = bind_operation(3, SIMPLE, "uid=a,dc=com", b"secret " * 40)
    assert bind_request(70_000, "uid=a,dc=com", b"secret " * 40) == as_the_library_does(70_000, "bindRequest", request)


@pytest.mark.parametrize(
    "text",
    ["", "(", "()", "(uid)", "uid=a", "(uid=a", "(uid=a))", "(&(uid=a)", "(!(a=b)(c=d))", "(=a)", "(:=a)", "(" * 500],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        filter_bytes(text)


@given(st.text(alphabet="()&|!=*\\ab:<>~ 2c", max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(BadFilter):
        assert filter_bytes(text)


def tlv(tag: int, *parts: bytes) -> bytes:
    """A short element."""
    content = b"".join(parts)
    assert len(content) < 128
    return bytes((tag, len(content))) + content


def attribute(name: bytes, *values: bytes) -> bytes:
    """An attribute of an entry."""
    return tlv(0x30, tlv(4, name), tlv(0x31, *[tlv(4, value) for value in values]))


ENTRY = tlv(
    0x30,
    tlv(2, b"\2"),
    tlv(0x64, tlv(4, b"uid=a,dc=b"), tlv(0x30, attribute(b"uid", b"a"), attribute(b"mail", b"b", b"c"))),
)
DONE = tlv(0x30, tlv(2, b"\2"), tlv(0x65, tlv(10, b"\0"), tlv(4), tlv(4)))
URL = b"ldap://x/d="


def test_an_entry_is_read() -> None:
    message = read_message(ENTRY)
    assert (message.message_id, message.kind, message.dn) == (2, SEARCH_ENTRY, "uid=a,dc=b")
    assert message.attributes == (("uid", [b"a"]), ("mail", [b"b", b"c"]))


def test_results_references_referrals_and_controls_are_read() -> None:
    done = read_message(DONE)
    assert (done.message_id, done.kind, done.code, done.text, done.urls) == (2, SEARCH_DONE, 0, "", ())
    reference = read_message(tlv(0x30, tlv(2, b"\3"), tlv(0x73, tlv(4, URL))))
    assert (reference.kind, reference.urls) == (SEARCH_REFERENCE, (URL.decode(),))
    referral = read_message(
        tlv(0x30, tlv(2, b"\3"), tlv(0x61, tlv(10, b"\x0a"), tlv(4), tlv(4), tlv(0xA3, tlv(4, URL))))
    )
    assert (referral.kind, referral.code, referral.urls) == (BIND_RESPONSE, 10, (URL.decode(),))
    control = tlv(0xA0, tlv(0x30, tlv(4, b"1.2.3.4")))
    expired = read_message(tlv(0x30, tlv(2, b"\3"), tlv(0x61, tlv(10, b"\x31"), tlv(4), tlv(4, b"no")), control))
    assert (expired.code, expired.text, expired.controls) == (49, "no", frozenset({"1.2.3.4"}))


def test_a_message_is_whole_when_its_length_says_so() -> None:
    for end in range(len(ENTRY)):
        assert whole(ENTRY[:end]) in (0, len(ENTRY))
    assert whole(ENTRY + DONE) == len(ENTRY)
    assert whole(b"\x30\x82\x01") == 0
    assert whole(b"\x30\x82\x01\x00") == 260
    for wrong in (b"HTTP/1.1 400", b"\x30\x80\x00\x00", b"\x30\x89" + bytes(9)):
        with pytest.raises(ValueError):
            whole(wrong)


@given(st.binary(max_size=80), st.integers(0, len(ENTRY) - 1), st.integers(0, 255))
def test_bytes_that_are_no_message_are_refused(noise: bytes, place: int, byte: int) -> None:
    broken = ENTRY[:place] + bytes((byte,)) + ENTRY[place + 1 :]
    for data in (noise, broken, ENTRY[:place], b"\x30" + bytes((len(noise),)) + noise):
        with contextlib.suppress(ValueError, IndexError):
            read_message(data)
