"""Addresses and parameters of envelopes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.lmtp.envelope import MAX_ADDRESS_BYTES, parse_address, parse_argument
from nmsd.wire.errors import BadSyntax


@pytest.mark.parametrize(
    ("argument", "local", "domain"),
    [
        (b"TO:<alice@example.com>", "alice", "example.com"),
        (b"to: <alice@example.com.>", "alice", "example.com"),
        (b"TO:<@a.example,@b.example:alice@example.com>", "alice", "example.com"),
        (b'TO:<"a b\\"c\\\\"@example.com>', 'a b"c\\', "example.com"),
        (b"TO:<alice@[192.0.2.1]>", "alice", "[192.0.2.1]"),
        (b"TO:<alice@[IPv6:2001:db8::1]>", "alice", "[IPv6:2001:db8::1]"),
        (b"TO:<postmaster>", "postmaster", ""),
        (b"TO:<a.b+c/d=e@x_y.example>", "a.b+c/d=e", "x_y.example"),
        ("TO:<jörg@bücher.example>".encode(), "jörg", "bücher.example"),
        (b"TO:<>", "", ""),
    ],
)
def test_addresses(argument: bytes, local: str, domain: str) -> None:
    address, parameters = parse_argument(argument, b"TO:")
    assert (address.local, address.domain, parameters) == (local, domain, {})


def test_parameters_have_upper_case_names() -> None:
    _, parameters = parse_argument(b"FROM:<> size=12 SMTPUTF8  Body=8BITMIME", b"FROM:")
    assert parameters == {b"SIZE": b"12", b"SMTPUTF8": b"", b"BODY": b"8BITMIME"}


@pytest.mark.parametrize(
    "argument",
    [
        b"",
        b"TO",
        b"TO:",
        b"TO:alice@example.com",
        b"TO:<alice@example.com",
        b"TO:<alice @example.com>",
        b"TO:<alice@>",
        b"TO:<@example.com>",
        b"TO:<.alice@example.com>",
        b"TO:<alice.@example.com>",
        b'TO:<"alice@example.com>',
        b"TO:<alice@example..com>",
        b"TO:<alice@exam\x00ple.com>",
        b"TO:<alice@example.com>SIZE=1",
        b"TO:<alice@example.com> =1",
        b"TO:<alice@example.com> SIZE=1 size=2",
        b"TO:<a\xff@example.com>",
    ],
)
def test_what_is_no_address_or_parameter_is_refused(argument: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_argument(argument, b"TO:")


def test_an_address_may_be_so_long_and_no_longer() -> None:
    domain = "d" * 255
    assert parse_address("l" * 64 + "@" + domain).local == "l" * 64
    assert len(str(parse_address("l" * 64 + "@" + domain))) == MAX_ADDRESS_BYTES
    with pytest.raises(BadSyntax):
        parse_address("l" * 65 + "@" + domain)


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for argument in (data, b"TO:" + data, b"TO:<" + data + b">", b"TO:<> " + data):
        try:
            address, _ = parse_argument(argument, b"TO:")
        except BadSyntax:
            continue
        assert "\n" not in str(address)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_a_path_is_read_again_as_the_address_it_was(local: str) -> None:
    quoted = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    address = parse_address(quoted + "@example.com")
    assert address.local == local
    assert parse_address(address.path()).local == local
