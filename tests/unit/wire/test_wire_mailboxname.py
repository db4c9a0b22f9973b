"""Mailbox names on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Literal
from nmsd.wire.mailboxname import decode_name, decode_utf7, encode_utf7, write_name
from nmsd.wire.reader import Reader

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(NAMES)
def test_modified_utf7_is_read_back_and_is_printable(name: str) -> None:
    encoded = encode_utf7(name)

    assert decode_utf7(encoded) == name
    assert all(0x20 <= byte <= 0x7E for byte in encoded)


@given(NAMES.filter(lambda name: not any(char in name for char in "\r\n\0")), st.booleans())
def test_a_written_name_is_read_back(name: str, utf8: bool) -> None:
    written = write_name(name, utf8)
    if written.startswith(b"{"):
        source = Reader([b"", b""], [Literal(written.split(b"\r\n", 1)[1], False)])
    else:
        source = Reader([written], [])

    assert decode_name(source.astring(), utf8) == name


@given(st.binary(max_size=30), st.booleans())
def test_any_bytes_are_a_name_or_bad_syntax(name: bytes, utf8: bool) -> None:
    try:
        decode_name(name, utf8)
    except BadSyntax:
        pass


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("INBOX", b"INBOX"),
        ("a&b", b"a&-b"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", b"&2D3eAA-"),
    ],
)
def test_names_of_the_standard(name: str, encoded: bytes) -> None:
    assert encode_utf7(name) == encoded
    assert decode_utf7(encoded) == name


@pytest.mark.parametrize("encoded", [b"a&b", b"&", b"&AP-x", b"&====-", b"&2D0-", b"a\xffb"])
def test_what_is_no_modified_utf7_is_bad_syntax(encoded: bytes) -> None:
    with pytest.raises(BadSyntax):
        decode_utf7(encoded)


def test_utf8_is_taken_from_a_client_that_sends_it_unasked() -> None:
    assert decode_name("Entwürfe".encode(), False) == "Entwürfe"
    assert decode_name(b"a&-b", False) == "a&b"
    assert decode_name(b"a&-b", True) == "a&-b"
    with pytest.raises(BadSyntax):
        decode_name(b"\xff", True)
