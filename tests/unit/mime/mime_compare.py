"""A message's parts, compared with what the standard library's email package makes of it."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message

from nmsd.mime.digest import digest
from nmsd.mime.parts import Part, parse
from nmsd.mime.text import body_text, decode_charset, decode_transfer
from tests.unit.mime.mime_forms import check_body, check_envelope, read, walk


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
