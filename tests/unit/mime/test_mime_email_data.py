"""The test messages that ship with CPython, compared with the email package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nmsd.mime.parts import parse
from nmsd.mime.section import find
from tests.unit.mime.mime_compare import check, compare

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
