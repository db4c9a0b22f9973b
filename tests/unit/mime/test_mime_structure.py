"""BODY and BODYSTRUCTURE, byte for byte (RFC 3501 §7.4.2, RFC 9051 §7.5.2)."""

from __future__ import annotations

import pytest

from nmsd.mime.digest import digest
from tests.unit.mime.mime_forms import check_body, crlf, read

PLAIN = b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"'
NILS = b" NIL NIL NIL NIL"

SINGLE = [
    pytest.param(b"", PLAIN + b" 0 0", NILS, id="nothing"),
    pytest.param(b"Subject: x\r\n\r\n", PLAIN + b" 0 0", NILS, id="header only"),
    pytest.param(b"\r\nno end", PLAIN + b" 6 0", NILS, id="a last line without its end is not counted"),
    pytest.param(b"\r\n1\r\n2\r\n", PLAIN + b" 6 2", NILS, id="two lines"),
    pytest.param(b"\n1\n2\n", PLAIN + b" 4 2", NILS, id="two lines with bare LF"),
    pytest.param(
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n" + b"x" * 46 + b"\r\n",
        b'"TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 48 1',
        NILS,
        id="names are as in the message",
    ),
    pytest.param(
        b"Content-Type: text/plain; format=flowed\r\n\r\n",
        b'"text" "plain" ("format" "flowed" "charset" "us-ascii") NIL NIL "7bit" 0 0',
        NILS,
        id="text/plain without charset is US-ASCII",
    ),
    pytest.param(
        b"Content-Type: text/html\r\n\r\n", b'"text" "html" NIL NIL NIL "7bit" 0 0', NILS, id="other text has none"
    ),
    pytest.param(
        b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: BASE64\r\nContent-ID: <1@x>\r\n"
        b"Content-Description: A picture\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
        b'Content-Disposition: ATTACHMENT; filename="b.png"; size=3\r\nContent-Language: en, fr (French)\r\n'
        b"Content-Location: http://x.test/\r\n a\r\n\r\nAAAA\r\n",
        b'"image" "png" ("name" "a.png") "<1@x>" "A picture" "BASE64" 6',
        b' "Q2hlY2sgSW50ZWdyaXR5IQ==" ("ATTACHMENT" ("filename" "b.png" "size" "3")) ("en" "fr") "http://x.test/ a"',
        id="every field",
    ),
    pytest.param(
        b"Content-Type: application/x\r\nContent-Disposition: inline\r\nContent-Language: de\r\n\r\n",
        b'"application" "x" NIL NIL NIL "7bit" 0',
        b' NIL ("inline" NIL) ("de") NIL',
        id="disposition without parameters, one language",
    ),
    pytest.param(
        b"Content-Type: (a) text (b) / (c) plain (d); (e) charset (f) = (g) utf-8 (h)\r\n\r\n",
        b'"text" "plain" ("charset" "utf-8") NIL NIL "7bit" 0 0',
        NILS,
        id="comments",
    ),
    pytest.param(
        b'Content-Type: text/x; a="q\\"u\\\\o;te (no comment)"; b=two words; c=; d=""; e="open\r\n\r\n',
        b'"text" "x" ("a" "q\\"u\\\\o;te (no comment)" "b" "two words" "c" "" "d" "" "e" "open") NIL NIL "7bit" 0 0',
        NILS,
        id="quoting, good and bad",
    ),
    pytest.param(
        b"Content-Type: application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
        b' title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn\'t it!"\r\n\r\n',
        b'"application" "x-stuff" ("title*" "us-ascii\'en\'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t'
        b'%20it!") NIL NIL "7bit" 0',
        NILS,
        id="RFC 2231 section 4.1: pieces, some extended",
    ),
    pytest.param(
        b'Content-Type: message/external-body; access-type=URL; URL*1="ftp.test/x"; URL*0="ftp://"\r\n\r\n',
        b'"message" "external-body" ("access-type" "URL" "URL" "ftp://ftp.test/x") NIL NIL "7bit" 0',
        NILS,
        id="RFC 2231 section 3: pieces out of order",
    ),
    pytest.param(
        b"Content-Type: a/b; x*0=1; x*1*=%20; x*bad=3; y*=utf-8''%41\r\n\r\n",
        b'"a" "b" ("x*" "\'\'1%20" "x*bad" "3" "y*" "utf-8\'\'%41") NIL NIL "7bit" 0',
        NILS,
        id="RFC 2231: charset never named",
    ),
    pytest.param(
        b"Content-Type: text/plain; name=caf\xe9\r\n\r\n",
        b'"text" "plain" ("name" {4}\r\ncaf\xe9 "charset" "us-ascii") NIL NIL "7bit" 0 0',
        NILS,
        id="8-bit parameter",
    ),
    pytest.param(b"Content-Type: text\r\n\r\n", PLAIN + b" 0 0", NILS, id="no subtype: RFC 2045 section 5.2 default"),
    pytest.param(b"Content-Type: \xff/\x00\r\n\r\n", PLAIN + b" 0 0", NILS, id="type is rubbish"),
    pytest.param(b"Content-Type: " + b"x" * 201 + b"/y\r\n\r\n", PLAIN + b" 0 0", NILS, id="type is too long"),
    pytest.param(
        b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", b'"a" "b" NIL NIL NIL "7bit" 0', NILS, id="first one counts"
    ),
    pytest.param(
        b"Content-Transfer-Encoding: \r\nContent-ID:\r\nContent-Disposition: ;x=1\r\nContent-Language: ,\r\n\r\n",
        b'"text" "plain" ("charset" "us-ascii") "" NIL "7bit" 0 0',
        NILS,
        id="empty fields",
    ),
    pytest.param(
        b"Content-Type: multipart/mixed\r\n\r\nhi\r\n", PLAIN + b" 4 1", NILS, id="multipart without boundary is text"
    ),
    pytest.param(
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\nhi\r\n', PLAIN + b" 4 1", NILS, id="empty boundary too"
    ),
]


@pytest.mark.parametrize(("message", "basic", "extension"), SINGLE)
def test_one_part(message: bytes, basic: bytes, extension: bytes) -> None:
    """A message of one part gives just this BODY, and this BODYSTRUCTURE with the extension data behind it."""
    found = digest(message)
    assert found.body == b"(" + basic + b")"
    assert found.bodystructure == b"(" + basic + extension + b")"
    check_body(read(found.body), extended=False)
    check_body(read(found.bodystructure), extended=True)


def test_the_two_part_example_of_rfc_3501() -> None:
    """RFC 3501 §7.4.2: text and a BASE64 attachment of 4554 octets in 73 lines."""
    text = b"x" * 50 + b"\r\n"
    text = text * 22 + b"x" * (1152 - 52 * 22 - 2) + b"\r\n"
    attachment = b"y" * 60 + b"\r\n"
    attachment = attachment * 72 + b"y" * (4554 - 62 * 72 - 2) + b"\r\n"
    message = (
        b"Content-Type: MULTIPART/MIXED; BOUNDARY=b\r\n\r\n--b\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\nContent-Transfer-Encoding: 7BIT\r\n\r\n"
        + text
        + b"\r\n--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\r\n"
        b"Content-Transfer-Encoding: BASE64\r\nContent-ID: <960723163407.20117h@cac.washington.edu>\r\n"
        b"Content-Description: Compiler diff\r\n\r\n" + attachment + b"\r\n--b--\r\n"
    )
    found = digest(message)
    assert found.body == (
        b'(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)'
        b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu>"'
        b' "Compiler diff" "BASE64" 4554 73) "MIXED")'
    )
    assert found.bodystructure == (
        b'(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23 NIL NIL NIL NIL)'
        b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu>"'
        b' "Compiler diff" "BASE64" 4554 73 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "b") NIL NIL NIL)'
    )


def test_a_nested_message_shows_its_envelope_structure_and_lines() -> None:
    """message/rfc822: basic fields, envelope, body, lines."""
    found = digest(
        crlf("""
Content-Type: message/rfc822
Content-Description: fwd

Subject: inner
From: a@x.test
Content-Type: text/html

<p>
""")
    )
    address = b'((NIL NIL "a" "x.test"))'
    assert found.body == (
        b'("message" "rfc822" NIL NIL "fwd" "7bit" 64 (NIL "inner" '
        + b" ".join([address] * 3)
        + b' NIL NIL NIL NIL NIL) ("text" "html" NIL NIL NIL "7bit" 5 1) 5)'
    )
    check_body(read(found.bodystructure), extended=True)


def test_message_global_is_taken_apart_too() -> None:
    """RFC 9051 §7.5.2: MESSAGE/GLOBAL like MESSAGE/RFC822."""
    found = read(digest(b"Content-Type: message/global\r\n\r\nSubject: \xc3\xa9\r\n\r\n").body)
    assert found[7][1] == b"\xc3\xa9"


def test_in_a_digest_a_part_that_says_nothing_is_a_message() -> None:
    """RFC 2046 §5.1.5; a part that does say text/plain is text."""
    found = read(
        digest(
            crlf("""
Content-Type: multipart/digest; boundary=b

--b

Subject: one

--b
Content-Type: text/plain

two
--b
Content-ID: <3>

Subject: three

--b--
""")
        ).body
    )
    assert [part[:2] for part in found[:3]] == [[b"message", b"rfc822"], [b"text", b"plain"], [b"message", b"rfc822"]]
    assert found[0][7][1] == b"one"
    assert found[2][7][1] == b"three"


def test_a_multipart_carries_its_own_extension_data() -> None:
    """Parameters, disposition, language and location of the multipart itself."""
    found = digest(
        b"Content-Type: multipart/related; boundary=b; type=x\r\nContent-Disposition: inline\r\n"
        b"Content-Language: fi\r\nContent-Location: here\r\n\r\n--b\r\n\r\n--b--\r\n"
    )
    assert found.bodystructure.endswith(b' "related" ("boundary" "b" "type" "x") ("inline" NIL) ("fi") "here")')
    assert found.body == b"((" + PLAIN + b' 0 0) "related")'


def test_a_multipart_in_base64_is_read_as_it_stands() -> None:
    """RFC 2045 §6.4 forbids it; the encoding of a multipart means nothing."""
    found = read(
        digest(
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            b"--b\r\n\r\nhi\r\n--b--\r\n"
        ).body
    )
    assert found[0][6] == 2


def test_header_size_includes_the_empty_line() -> None:
    """The digest's header is what FETCH RFC822.HEADER sends."""
    assert digest(b"Subject: x\r\n\r\nbody").header_size == 14
    assert digest(b"Subject: x\n\nbody").header_size == 12
    assert digest(b"\r\nbody").header_size == 2
    assert digest(b"Subject: x\r\n").header_size == 12
