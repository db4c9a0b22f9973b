"""IMAP part numbers (RFC 3501 §6.4.5)."""

from __future__ import annotations

import pytest

from nmsd.mime.parts import parse
from nmsd.mime.section import find, locate
from tests.unit.mime.mime_forms import crlf

# The complex message of RFC 3501 §6.4.5.
COMPLEX = crlf("""
Subject: root
Content-Type: multipart/mixed; boundary=A

--A

text 1
--A
Content-Type: application/octet-stream

data 2
--A
Content-Type: message/rfc822
X-Part: 3

Subject: third
Content-Type: multipart/mixed; boundary=B

--B

text 3.1
--B
Content-Type: application/octet-stream

data 3.2
--B--
--A
Content-Type: multipart/mixed; boundary=C

--C
Content-Type: image/gif
X-Part: 4.1

image 4.1
--C
Content-Type: message/rfc822

Subject: fourth
Content-Type: multipart/mixed; boundary=D

--D

text 4.2.1
--D
Content-Type: multipart/alternative; boundary=E

--E

text 4.2.2.1
--E
Content-Type: text/richtext

text 4.2.2.2
--E--
--D--
--C--
--A--
""")


def section(message: bytes, path: tuple[int, ...], what: str) -> bytes | None:
    """The bytes of a section."""
    found = locate(parse(message), path, what)
    return None if found is None else message[found[0] : found[0] + found[1]]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((1,), b"text 1"),
        ((2,), b"data 2"),
        ((3, 1), b"text 3.1"),
        ((3, 2), b"data 3.2"),
        ((4, 1), b"image 4.1"),
        ((4, 2, 1), b"text 4.2.1"),
        ((4, 2, 2, 1), b"text 4.2.2.1"),
        ((4, 2, 2, 2), b"text 4.2.2.2"),
    ],
)
def test_the_complex_message_of_the_rfc(path: tuple[int, ...], text: bytes) -> None:
    """Each leaf has the number printed there."""
    assert section(COMPLEX, path, "") == text


def test_headers_and_texts_of_the_complex_message() -> None:
    """HEADER, TEXT and MIME of the message, of nested ones and of parts."""
    assert section(COMPLEX, (), "") == COMPLEX
    assert section(COMPLEX, (), "HEADER") == COMPLEX[: COMPLEX.index(b"--A")]
    assert section(COMPLEX, (), "TEXT") == COMPLEX[COMPLEX.index(b"--A") :]
    assert (section(COMPLEX, (3,), "HEADER") or b"").startswith(b"Subject: third\r\n")
    assert (section(COMPLEX, (3,), "HEADER") or b"").endswith(b"boundary=B\r\n\r\n")
    assert (section(COMPLEX, (3,), "TEXT") or b"").startswith(b"--B\r\n")
    assert section(COMPLEX, (3,), "") == (section(COMPLEX, (3,), "HEADER") or b"") + (
        section(COMPLEX, (3,), "TEXT") or b""
    )
    assert section(COMPLEX, (3,), "MIME") == b"Content-Type: message/rfc822\r\nX-Part: 3\r\n\r\n"
    assert section(COMPLEX, (4, 1), "MIME") == b"Content-Type: image/gif\r\nX-Part: 4.1\r\n\r\n"
    assert (section(COMPLEX, (4, 2), "HEADER") or b"").startswith(b"Subject: fourth")
    assert section(COMPLEX, (1,), "MIME") == b"\r\n"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ((0,), ""),
        ((5,), ""),
        ((1, 1), ""),
        ((3, 3), ""),
        ((3, 1, 1), ""),
        ((4, 1, 1), ""),
        ((4, 2, 2, 3), ""),
        ((9, 9, 9), "MIME"),
        ((), "MIME"),
        ((1,), "HEADER"),
        ((1,), "TEXT"),
        ((4,), "HEADER"),
        ((4, 2, 2), "TEXT"),
    ],
)
def test_what_is_not_there_is_none(path: tuple[int, ...], what: str) -> None:
    """Numbers past the end, parts of leaves, headers of what is no message."""
    assert section(COMPLEX, path, what) is None


def test_a_message_that_is_no_multipart_is_its_own_part_1() -> None:
    """BODY[1] is its text, BODY[1.MIME] its header; there is no 2, 1.1 or 1.HEADER."""
    message = b"Subject: x\r\n\r\nhello"
    assert section(message, (1,), "") == b"hello"
    assert section(message, (1,), "MIME") == b"Subject: x\r\n\r\n"
    for path, what in (((2,), ""), ((1, 1), ""), ((1,), "HEADER"), ((1,), "TEXT")):
        assert section(message, path, what) is None


def test_a_nested_message_that_is_no_multipart() -> None:
    """3.1 of a part 3 with a plain message in it is that message's text."""
    message = crlf("""
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: message/rfc822

Subject: inner

inner text
--b--
""")
    assert section(message, (1, 1), "") == b"inner text"
    assert section(message, (1, 1), "MIME") == b"Subject: inner\r\n\r\n"
    assert section(message, (1,), "TEXT") == b"inner text"
    assert section(message, (1, 2), "") is None
    assert section(message, (1, 1, 1), "") is None


def test_a_message_whose_only_part_is_a_message() -> None:
    """1 is the forwarded message, 1.HEADER its header, 1.1 its text; two levels of it work the same."""
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext"
    assert section(message, (1,), "") == b"Subject: in\r\n\r\ntext"
    assert section(message, (1,), "HEADER") == b"Subject: in\r\n\r\n"
    assert section(message, (1, 1), "") == b"text"
    twice = b"Content-Type: message/rfc822\r\n\r\n" + message
    assert section(twice, (1, 1), "") == b"Subject: in\r\n\r\ntext"
    assert section(twice, (1, 1), "HEADER") == b"Subject: in\r\n\r\n"
    assert section(twice, (1, 1, 1), "") == b"text"


def test_a_multipart_in_a_multipart_is_a_part_itself() -> None:
    """Its number names its whole body."""
    assert (section(COMPLEX, (4, 2, 2), "") or b"").startswith(b"--E\r\n")
    part = find(parse(COMPLEX), (4, 2, 2))
    assert part is not None
    assert part.subtype == "alternative"


def test_no_numbers_name_the_message() -> None:
    """() is the root."""
    root = parse(COMPLEX)
    assert find(root, ()) is root
