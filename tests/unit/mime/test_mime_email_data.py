"""The test messages that ship with CPython, and the corpus of tools/corpus.py, compared with the email package."""

from __future__ import annotations

import email
import os
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import pytest

from nmsd.mime.digest import digest
from nmsd.mime.header import decode_words
from nmsd.mime.parts import Part, parse
from nmsd.mime.section import find
from nmsd.mime.text import body_text, decode_charset, decode_transfer
from tests.unit.mime.mime_forms import check_body, check_envelope, read, walk
from tools.corpus import generate

email_tests = pytest.importorskip("test.test_email", reason="this Python comes without its test messages")
DATA = Path(os.path.dirname(email_tests.__file__)) / "data"
FILES = sorted(DATA.glob("*.txt"))

# Where the email package reads a message in another way than IMAP servers do, and why.
DIFFERENT = {
    "msg_15.txt": "a multipart with the boundary of the one around it",
    "msg_17.txt": "its boundary never comes: we show one text part",
    "msg_19.txt": "a line that is no field ends a header there, the empty line here",
    "msg_25.txt": "no boundary named: text",
    "msg_31.txt": "its boundary never comes",
    "msg_35.txt": "a line that is no field ends a header there",
    "msg_37.txt": "boundary after boundary: parts that are empty here",
    "msg_38.txt": "lines that are no fields",
    "msg_39.txt": "a multipart with the boundary of the one around it",
    "msg_41.txt": "no boundary named",
    "msg_42.txt": "its boundary never comes",
    "msg_47.txt": "parts without an empty line after their header",
}


def leaves(message: Message) -> Iterator[Message]:
    """The email package's tree in our order; message/delivery-status and message/external-body are leaves."""
    yield message
    if message.get_content_maintype() == "multipart" or message.get_content_type() == "message/rfc822":
        for part in message.get_payload():  # type: ignore[union-attr]
            yield from leaves(part)  # type: ignore[arg-type]


def compare(data: bytes) -> None:
    """Same parts of the same types, with the same decoded content."""
    ours = list(walk(parse(data)))
    theirs = list(leaves(email.message_from_bytes(data)))
    assert [f"{part.type}/{part.subtype}" for part in ours] == [part.get_content_type() for part in theirs]
    for part, other in zip(ours, theirs):
        if part.children or part.message is not None or other.is_multipart():
            continue
        raw = data[part.body_offset : part.body_offset + part.body_size]
        decoded = decode_transfer(raw, part.encoding)
        expected = other.get_payload(decode=True)
        assert isinstance(expected, bytes)
        assert decoded == expected
        if part.type == "text" and part.charset in ("utf-8", "iso-8859-1", "koi8-r"):
            assert decode_charset(decoded, part.charset) == expected.decode(part.charset, "replace")


def check(data: bytes) -> Part:
    """Digests a message, checks the forms and reads all text; gives the root."""
    found = digest(data)
    check_envelope(read(found.envelope))
    check_body(read(found.body), extended=False)
    check_body(read(found.bodystructure), extended=True)
    root = parse(data)
    list(body_text(data, root))
    return root


def test_the_messages_are_there() -> None:
    """Some forty or more of them."""
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_messages_of_cpython(path: Path) -> None:
    """Each, with LF and with CRLF, has a digest, and the parts that the email package finds."""
    data = path.read_bytes()
    wire = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    for form in (data, wire):
        check(form)
        if path.name not in DIFFERENT:
            compare(form)


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("msg_15.txt", (2,), "image/gif"),
        ("msg_17.txt", (1,), "text/plain"),
        ("msg_25.txt", (1,), "text/plain"),
        ("msg_39.txt", (1, 3, 2), "application/octet-stream"),
        ("msg_42.txt", (2, 1), "text/plain"),
        ("msg_33.txt", (2,), "text/plain"),
        ("msg_02.txt", (3, 5), "message/rfc822"),
    ],
)
def test_what_broken_ones_come_to(name: str, path: tuple[int, ...], kind: str) -> None:
    """Where the email package sees it differently or not at all."""
    part = find(parse((DATA / name).read_bytes()), path)
    assert part is not None
    assert f"{part.type}/{part.subtype}" == kind


CORPUS = list(generate(300, 7))


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    """And a shorter one is the beginning of a longer one."""
    assert list(generate(20, 7)) == CORPUS[:20]
    assert list(generate(20, 8)) != CORPUS[:20]


def test_the_corpus_has_parts_as_the_email_package_finds_them() -> None:
    """Well-formed mail of every kind, attachments and charsets included."""
    kinds = set()
    for data in CORPUS:
        kinds.update(f"{part.type}/{part.subtype}" for part in walk(check(data)))
        compare(data)
    assert kinds >= {"text/plain", "text/html", "multipart/digest", "message/rfc822", "application/pdf", "image/png"}


def test_envelopes_of_the_corpus() -> None:
    """Date, subject, message id and all addresses agree with the email package."""
    for data in CORPUS:
        found = digest(data)
        message = email.message_from_bytes(data)
        envelope = read(found.envelope)
        assert envelope[0] == message["Date"].encode()
        date = parsedate_to_datetime(message["Date"])
        assert found.sent_date == date.toordinal() - 719163
        assert envelope[1] == message["Subject"].replace("\n", "").replace("\r", "").encode()
        assert envelope[9] == message["Message-ID"].encode()
        for index, name in ((2, "From"), (5, "To"), (6, "Cc")):
            expected = [
                (shown.encode() or None, *address.encode().split(b"@"))
                for shown, address in getaddresses([str(value) for value in message.get_all(name, [])])
            ]
            assert [(shown, mailbox, host) for shown, _, mailbox, host in envelope[index] or []] == expected
        str(email.header.make_header(email.header.decode_header(message["Subject"])))
        assert decode_words(envelope[1]).isprintable()
