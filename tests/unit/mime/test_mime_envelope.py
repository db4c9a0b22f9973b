"""ENVELOPE, byte for byte (RFC 3501 §7.4.2)."""

from __future__ import annotations

import pytest

from nmsd.mime.digest import digest
from tests.unit.mime.mime_forms import check_envelope, read

RFC_EXAMPLE = b"""\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r
From: Terry Gray <gray@cac.washington.edu>\r
Subject: IMAP4rev1 WG mtg summary and minutes\r
To: imap@cac.washington.edu\r
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r
Message-Id: <B27397-0100000@cac.washington.edu>\r
MIME-Version: 1.0\r
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r
\r
"""


def test_the_example_of_rfc_3501_section_8() -> None:
    """The envelope there, as printed."""
    assert digest(RFC_EXAMPLE).envelope == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes"'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' ((NIL NIL "imap" "cac.washington.edu"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))'
        b' NIL NIL "<B27397-0100000@cac.washington.edu>")'
    )


EMPTY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
A = b'((NIL NIL "a" "x.test"))'
B = b'((NIL NIL "b" "y.test"))'

CASES = [
    pytest.param(b"", EMPTY, id="no header at all"),
    pytest.param(b"\r\nbody", EMPTY, id="empty header"),
    pytest.param(
        b"Date:\r\nSubject: \r\nIn-Reply-To:\r\nMessage-ID:\t\r\n\r\n",
        b'("" "" NIL NIL NIL NIL NIL NIL "" "")',
        id="present but empty strings are empty, not NIL",
    ),
    pytest.param(
        b"From: a@x.test\r\nSender:\r\nReply-To: \r\nTo:\r\n\r\n",
        b"(NIL NIL " + A + b" " + A + b" " + A + b" NIL NIL NIL NIL NIL)",
        id="empty Sender and Reply-To default to From",
    ),
    pytest.param(
        b"From: a@x.test\r\nSender: b@y.test\r\n\r\n",
        b"(NIL NIL " + A + b" " + B + b" " + A + b" NIL NIL NIL NIL NIL)",
        id="Reply-To defaults to From, not to Sender",
    ),
    pytest.param(
        b"Sender: b@y.test\r\n\r\n", b"(NIL NIL NIL " + B + b" NIL NIL NIL NIL NIL NIL)", id="no From stays NIL"
    ),
    pytest.param(
        b"To: a@x.test\r\nTo: b@y.test\r\n\r\n",
        b'(NIL NIL NIL NIL NIL ((NIL NIL "a" "x.test")(NIL NIL "b" "y.test")) NIL NIL NIL NIL)',
        id="a second To adds to the first",
    ),
    pytest.param(
        b"Subject: one\r\nSubject: two\r\n\r\n",
        b'(NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL)',
        id="of two Subjects the first counts",
    ),
    pytest.param(
        b"SUBJECT : spaced\r\n\r\n", b'(NIL "spaced" NIL NIL NIL NIL NIL NIL NIL NIL)', id="space before the colon"
    ),
    pytest.param(
        b"Subject: a\r\n b\r\n\tc\r\n\r\n",
        b'(NIL "a b\tc" NIL NIL NIL NIL NIL NIL NIL NIL)',
        id="folded lines keep their white space",
    ),
    pytest.param(
        b"Subject: a\n b\nFrom: a@x.test\n\nSubject: body\n",
        b'(NIL "a b" ' + A + b" " + A + b" " + A + b" NIL NIL NIL NIL NIL)",
        id="bare line feeds",
    ),
    pytest.param(
        b'Subject: say "hi" \\o/\r\n\r\n',
        b'(NIL "say \\"hi\\" \\\\o/" NIL NIL NIL NIL NIL NIL NIL NIL)',
        id="quotes and backslashes are escaped",
    ),
    pytest.param(
        b"Subject: caf\xc3\xa9\r\n\r\n",
        b"(NIL {5}\r\ncaf\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)",
        id="8-bit is sent as a literal",
    ),
    pytest.param(
        b"Subject: a\rb\r\n\r\n", b"(NIL {3}\r\na\rb NIL NIL NIL NIL NIL NIL NIL NIL)", id="a bare CR is a literal too"
    ),
    pytest.param(b"Subject: a\0b\r\n\r\n", b'(NIL "ab" NIL NIL NIL NIL NIL NIL NIL NIL)', id="NULs are dropped"),
    pytest.param(
        b"Subject: \0\xff\0\r\n\r\n", b"(NIL {1}\r\n\xff NIL NIL NIL NIL NIL NIL NIL NIL)", id="NULs beside 8-bit"
    ),
    pytest.param(
        b"Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\n",
        b'(NIL "=?utf-8?q?caf=C3=A9?=" NIL NIL NIL NIL NIL NIL NIL NIL)',
        id="encoded words stay encoded",
    ),
    pytest.param(
        b"To: A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;\r\n\r\n",
        b'(NIL NIL NIL NIL NIL ((NIL NIL "A Group" NIL)("Ed Jones" NIL "joe" "where.test")'
        b'("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL)) NIL NIL NIL NIL)',
        id="group syntax",
    ),
    pytest.param(
        b"To: Undisclosed recipients:;\r\n\r\n",
        b'(NIL NIL NIL NIL NIL ((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)',
        id="empty group",
    ),
    pytest.param(b"To: ,, (nobody) ,\r\n\r\n", EMPTY, id="a list of nothing is NIL"),
    pytest.param(
        b"From foo@bar Mon Jan  1 00:00:00 2024\r\nSubject: x\r\n\r\n",
        b'(NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL)',
        id="an mbox line is skipped",
    ),
    pytest.param(b"Subject: cut off", b'(NIL "cut off" NIL NIL NIL NIL NIL NIL NIL NIL)', id="header cut off"),
]


@pytest.mark.parametrize(("message", "expected"), CASES)
def test_envelope(message: bytes, expected: bytes) -> None:
    """Each message gives just this envelope, and it is well-formed."""
    envelope = digest(message).envelope
    assert envelope == expected
    check_envelope(read(envelope))


@pytest.mark.parametrize(
    ("date", "days"),
    [
        (b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", 9694),
        (b"Thu, 1 Jan 1970 00:30:00 +0100", 0),  # 1969 in UTC, but the sender wrote 1970
        (b"Wed, 31 Dec 1969 23:30:00 -0100", -1),
        (b"nonsense", None),
        (b"", None),
    ],
)
def test_the_sent_date_counts_in_its_own_zone(date: bytes, days: int | None) -> None:
    """RFC 3501 §6.4.4: SENTON disregards time and zone."""
    assert digest(b"Date: " + date + b"\r\n\r\n").sent_date == days


def test_no_date_no_sent_date() -> None:
    """A message without a Date has none."""
    assert digest(b"Subject: x\r\n\r\n").sent_date is None
