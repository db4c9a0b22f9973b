"""Text for search; transfer encodings and charsets undone."""

from __future__ import annotations

import base64
import sys
from binascii import b2a_qp
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.mime.charsets import codec_of
from nmsd.mime.fold import decompose
from nmsd.mime.parts import parse
from nmsd.mime.text import body_text, decode_charset, decode_transfer, header_text, normalise
from tests.unit.mime.mime_forms import crlf

TRANSFERS = [
    ("7bit", b"a=41\r\n", b"a=41\r\n"),
    ("", b"x", b"x"),
    ("8BIT", b"\xff", b"\xff"),
    ("binary", b"\0", b"\0"),
    ("base64", b"aGVsbG8=", b"hello"),
    ("BASE64", b"aGVs\r\nbG8=\r\n", b"hello"),
    ("base64", b"aGVsbG8", b"hello"),
    ("base64", b"aGVsb", b"hel"),
    ("base64", b"a G!V*s\0b\xffG8=", b"hello"),
    ("base64", b"aGVsbG8=aGVsbG8=", b"hellohello"),
    ("base64", b"aGVsbG8=\r\n--\r\nsig", b"hello" + base64.b64decode("sig=")),
    ("base64", b"====", b""),
    ("base64", b"", b""),
    ("base64", b"A", b""),
    ("quoted-printable", b"caf=C3=A9", b"caf\xc3\xa9"),
    ("quoted-printable", b"caf=c3=a9", b"caf\xc3\xa9"),
    ("quoted-printable", b"a=\r\nb=\nc", b"abc"),
    ("quoted-printable", b"a= \t\r\nb", b"ab"),
    ("quoted-printable", b"a  \r\nb\t", b"a\r\nb"),
    ("quoted-printable", b"a=", b"a"),
    ("quoted-printable", b"a=ZZ=4", b"a=ZZ=4"),
    ("quoted-printable", b"a_b", b"a_b"),
    ("quoted-printable", b"\xe9\r\n", b"\xe9\r\n"),
    ("x-uuencode", b"x", None),
    ("base65", b"x", None),
]


@pytest.mark.parametrize(("encoding", "raw", "expected"), TRANSFERS)
def test_decode_transfer(encoding: str, raw: bytes, expected: bytes | None) -> None:
    """Proper and broken bodies; None for an encoding nobody knows."""
    assert decode_transfer(raw, encoding) == expected


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_what_is_encoded_comes_back(data: bytes) -> None:
    """Both encodings, in lines."""
    assert decode_transfer(base64.encodebytes(data).replace(b"\n", b"\r\n"), "base64") == data
    assert decode_transfer(b2a_qp(data, istext=False), "quoted-printable") == data


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["base64", "quoted-printable", "7bit", "odd"]))
def test_no_body_raises(data: bytes, encoding: str) -> None:
    """Any bytes in any encoding."""
    decode_transfer(data, encoding)


CHARSETS = [
    (b"caf\xe9", "iso-8859-1", "café"),
    (b"caf\xe9", "ISO_8859-1:1987", "café"),
    (b"caf\xe9", "latin1", "café"),
    (b"\xa4", "iso-8859-15", "€"),
    (b"\x80", "windows-1252", "€"),
    (b"\x80", "cp1252", "€"),
    (b"\xcf\xf0", "windows-1251", "Пр"),
    (b"\xf0\xd2", "koi8-r", "Пр"),
    (b"\x1b$B2q5D\x1b(B", "iso-2022-jp", "会議"),
    (b"\x87\x40", "shift_jis", "①"),
    (b"\xb2\xf1", "euc-jp", "会"),
    (b"\xc4\xe3", "gb2312", "你"),
    (b"\x81\x30\x81\x30", "gb2312", "\x80"),
    (b"\xa7\x41", "big5", "你"),
    (b"\xb0\xa1", "ks_c_5601-1987", "가"),
    (b"+AGE-", "utf-7", "a"),
    (b"\xfe\xff\0a", "utf-16", "a"),
    (b"caf\xc3\xa9", "UTF-8", "café"),
    (b"caf\xe9", "utf-8", "caf\ufffd"),
    (b"caf\xe9", "us-ascii", "café"),
    (b"caf\xc3\xa9", "us-ascii", "café"),
    (b"caf\xc3\xa9", "", "café"),
    (b"caf\xe9", "", "café"),
    (b"caf\xe9", "x-unknown", "café"),
    (b"caf\xe9", "unknown-8bit", "café"),
    (b"\x81", "", "\ufffd"),
    (b"xn--a", "idna", "xn--a"),
    (b"\\x41", "unicode_escape", "\\x41"),
    (b"YQ==", "base64", "YQ=="),
    (b"a", "../../etc/passwd", "a"),
    (b"a", "\0\xff", "a"),
    (b"a", "iso-8859-16", "a"),
    (b"\xe0", "iso-8859-8-i", "א"),
]


@pytest.mark.parametrize(("raw", "charset", "expected"), CHARSETS)
def test_decode_charset(raw: bytes, charset: str, expected: str) -> None:
    """Labels as they are met, unknown ones, and codecs that are no charsets."""
    assert decode_charset(raw, charset) == expected


@settings(deadline=None)
@given(
    st.binary(),
    st.sampled_from(
        sorted(
            {codec_of(f"iso-8859-{n}") for n in (1, 2, 15)}
            | {"utf-7", "utf-16", "iso-2022-jp", "hz", "gb2312", "utf-32", "euc-kr", "johab", "big5"}
        )
    ),
)
def test_no_charset_raises(data: bytes, charset: str) -> None:
    """Any bytes in the harder charsets."""
    decode_charset(data, charset)


def test_header_text() -> None:
    """Names and decoded values, a line each."""
    header = b"Subject: =?utf-8?Q?caf=C3=A9?=\r\n au lait\r\nrubbish\r\nX-Y: z\r\n\r\n"
    assert header_text(header) == "Subject: café au lait\nX-Y: z\n"


def test_body_text_is_the_texts_and_nested_headers_in_order() -> None:
    """Attachments that are no text are left out."""
    message = crlf("""
Subject: outer
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--b
Content-Type: image/png
Content-Transfer-Encoding: base64

aGVsbG8=
--b
Content-Type: message/rfc822

Subject: =?utf-8?Q?in=C3=A9r?=
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+aGVsbG88L2I+
--b
Content-Type: message/delivery-status

Action: failed
--b
Content-Type: text/x-odd
Content-Transfer-Encoding: x-odd

as it is
--b--
""")
    assert list(body_text(message, parse(message))) == [
        "café",
        "Subject: inér\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n",
        "<b>hello</b>",
        "Action: failed",
        "as it is",
    ]


def test_a_plain_message_has_its_body() -> None:
    """Without its own header."""
    message = b"Subject: x\r\n\r\nhello\r\n"
    assert list(body_text(message, parse(message))) == ["hello\r\n"]


@pytest.mark.parametrize(
    ("needle", "hay"),
    [
        ("hello", "say HELLO"),
        ("STRASSE", "Straße"),
        ("straße", "STRASSE"),
        ("CAFÉ", "café"),
        ("cafe\u0301", "CAFÉ"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("привет", "ПРИВЕТ"),
        ("ﬁne", "FINE"),
        ("Ａ", "a"),
        ("ı", "I"),
        ("ö", "O\u0308"),
    ],
)
def test_normalise_finds_what_a_reader_would(needle: str, hay: str) -> None:
    """Case and ways of encoding do not matter."""
    assert normalise(needle) in normalise(hay)


def test_normalise_keeps_different_things_apart() -> None:
    """Other letters, other words."""
    assert normalise("привет") not in normalise("приве")
    assert normalise("é") not in normalise("e")


def test_normalising_twice_changes_nothing() -> None:
    """For every character there is."""
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code <= 0xDFFF:
            once = normalise(chr(code))
            assert normalise(once) == once, hex(code)


MARKED = st.text(alphabet="aé\u0300\u0315\u0327\u0345\u05b0각ﬁ①ß \n", max_size=40)


@settings(deadline=None)
@given(st.one_of(st.text(), MARKED))
def test_the_slower_decomposition_is_nfkd(text: str) -> None:
    """Only its speed differs."""
    assert decompose(text) == normalize("NFKD", text)


def test_long_runs_of_combining_marks_take_linear_time() -> None:
    """Which they do not in Python's own NFKD."""
    assert normalise("\u0315\u0300" * 500_000) == "\u0300" * 500_000 + "\u0315" * 500_000
    words = "a\u0315\u0300" * 100 + " "
    assert normalise(words * 1000) == "A\u0300\u0315" * 100 + " " + normalise(words * 999)


def test_lines_of_spaces_take_linear_time() -> None:
    """Quoted-printable with white space that might be at a line's end."""
    line = b" \t" * 200_000
    assert decode_transfer(line + b"x \r\n" + line, "quoted-printable") == line + b"x\r\n"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_a_substring_stays_a_substring(before: str, needle: str, after: str) -> None:
    """As far as no combining mark at a seam moves: texts here are decomposed already."""
    before, needle, after = (
        normalize("NFKD", "".join(c for c in text if c.isalnum())) for text in (before, needle, after)
    )
    assert normalise(needle) in normalise(before + "|" + needle + "|" + after)
