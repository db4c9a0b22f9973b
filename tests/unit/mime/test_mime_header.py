"""Header fields: choosing, unfolding, encoded words."""

from __future__ import annotations

import pytest

from nmsd.mime.header import decode_words, field_texts, iter_fields, select_fields, unfold

HEADER = (
    b"Received: from a\r\n\tby b\r\nFrom: a@x\r\nSUBJECT : one\r\n two\r\nrubbish line\r\nTo:\r\nreceived: again\r\n"
    b"X-Empty: \r\n \r\nDate: now\r\n\r\n"
)


def test_fields_come_in_order_with_their_folds() -> None:
    """Lines that are no field are left out."""
    assert list(iter_fields(HEADER)) == [
        (b"Received", b" from a\r\n\tby b"),
        (b"From", b" a@x"),
        (b"SUBJECT", b" one\r\n two"),
        (b"To", b""),
        (b"received", b" again"),
        (b"X-Empty", b" \r\n "),
        (b"Date", b" now"),
    ]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"", []),
        (b"\r\nA: b", []),
        (b"\nA: b", []),
        (b"A: b", [b"A"]),
        (b"A: b\n c\nB: d\n\nC: e\n", [b"A", b"B"]),
        (b" leading\r\nA: b\r\n\r\n", [b"A"]),
        (b"From me@x Mon Jan 1 10:00:00 2024\nA: b\n\n", [b"A"]),
        (b": no name\r\nA: b\r\n", [b"A"]),
        (b"A\0:x\r\nB:y\r\n", [b"A\0", b"B"]),
        (b"\r", []),
        (b"A:\r\r\nB:\r\n", [b"A", b"B"]),
    ],
)
def test_where_fields_are(header: bytes, names: list[bytes]) -> None:
    """Header only, bare line feeds, rubbish."""
    assert [name for name, _ in iter_fields(header)] == names


SELECTED = [
    ([b"subject"], b"SUBJECT : one\r\n two\r\n\r\n"),
    ([b"RECEIVED", b"date"], b"Received: from a\r\n\tby b\r\nreceived: again\r\nDate: now\r\n\r\n"),
    ([b"To", b"X-Empty"], b"To:\r\nX-Empty: \r\n \r\n\r\n"),
    ([b"Absent"], b"\r\n"),
    ([], b"\r\n"),
    ([b"rubbish line"], b"\r\n"),
]


@pytest.mark.parametrize(("names", "expected"), SELECTED)
def test_select_fields(names: list[bytes], expected: bytes) -> None:
    """The original bytes, folds and order kept, names in any case, the empty line last."""
    assert select_fields(HEADER, names, False) == expected


def test_select_all_but_some() -> None:
    """HEADER.FIELDS.NOT gives everything else, just as it stands."""
    assert select_fields(HEADER, [b"received", b"X-EMPTY"], True) == (
        b"From: a@x\r\nSUBJECT : one\r\n two\r\nrubbish line\r\nTo:\r\nDate: now\r\n\r\n"
    )
    assert select_fields(HEADER, [], True) == HEADER


def test_bare_line_feeds_stay_but_the_empty_line_is_crlf() -> None:
    """What is sent of the message is as it came."""
    assert select_fields(b"A: b\n c\nB: d\n\n", [b"a"], False) == b"A: b\n c\n\r\n"


def test_no_empty_line_where_the_message_has_none() -> None:
    """RFC 9051 §6.4.5.1: a message with no body and no empty line."""
    assert select_fields(b"A: b\r\nB: c\r\n", [b"a"], False) == b"A: b\r\n"
    assert select_fields(b"A: b\r\nB: c", [b"b"], False) == b"B: c"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" a\r\n b\r\n\tc \r\n", b"a b\tc"),
        (b"a\n b", b"a b"),
        (b"\r\n a", b"a"),
        (b"", b""),
        (b"a\rb", b"a\rb"),
    ],
)
def test_unfold(value: bytes, expected: bytes) -> None:
    """Line ends go, white space stays."""
    assert unfold(value) == expected


WORDS = [
    (b"plain", "plain"),
    (b"", ""),
    # RFC 2047 section 8
    (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
    (b"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
    (
        b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
        "If you can read this you understand the example.",
    ),
    (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
    (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
    (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
    (b"(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=)", "(ab)"),
    (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
    (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
    # a character cut in two
    (b"=?utf-8?B?w4M=?= =?UTF-8?b?w6k=?=", "Ãé"),
    (b"=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "café"),
    (b"=?utf-8?B?44GC44E=?= =?utf-8?B?hA==?=", "あい"),
    (b"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議"),
    (b"=?utf-8*en?Q?lang?=", "lang"),
    (b"=?utf-8?q??= x", " x"),
    # broken
    (b"=?utf-8?Q?open", "=?utf-8?Q?open"),
    (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
    (b"=??Q?abc?=", "=??Q?abc?="),
    (b"=?no-such?Q?caf=C3=A9?=", "café"),
    (b"=?no-such?Q?caf=E9?=", "café"),
    (b"=?utf-8?Q?caf=E9?=", "caf\ufffd"),
    (b"=?utf-8?B?YQ?=", "a"),
    (b"=?utf-8?B?Y?=", ""),
    (b"=?utf-8?B?Y W!E=?=", "aa"),
    (b"=?utf-8?Q?a b?=", "a b"),
    (b"x=?utf-8?Q?=41?=y", "xAy"),
    (b"=?punycode?Q?abc?=", "abc"),
    (b"=?unicode_escape?Q?=5Cx41?=", "\\x41"),
    # raw 8-bit
    (b"caf\xc3\xa9", "café"),
    (b"caf\xe9", "café"),
    (b"caf\xe9 =?utf-8?Q?=C3=A9?= caf\xc3\xa9", "café é café"),
]


@pytest.mark.parametrize(("value", "expected"), WORDS)
def test_decode_words(value: bytes, expected: str) -> None:
    """RFC 2047, its examples and what programs make of it."""
    assert decode_words(value) == expected


def test_many_unfinished_words_take_linear_time() -> None:
    """200 KB of beginnings."""
    for piece in (b"=?", b"=?a?", b"=?a?q?", b"=?a?q?x", b"=?a*b?q?x "):
        value = piece * (200_000 // len(piece))
        assert decode_words(value) == value.decode()
    assert decode_words(b" ".join([b"=?utf-8?q?" + b"x" * 60 + b"?="] * 100_000)) == "x" * 6_000_000
    assert decode_words(b"=?a?q?x?= " * 20_000) == "x" * 20_000 + " "


def test_field_texts() -> None:
    """All fields of a name, decoded."""
    header = b"Comments: =?utf-8?Q?=C3=A9?=\r\nX: y\r\nCOMMENTS: two\r\n words\r\n\r\nComments: body"
    assert field_texts(header, b"comments") == ["é", "two words"]
    assert field_texts(header, b"none") == []
