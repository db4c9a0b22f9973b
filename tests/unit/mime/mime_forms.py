"""A strict reader of IMAP's parenthesised forms, and checks of their grammar (RFC 9051 §9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nmsd.mime.parts import Part

QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
LITERAL = re.compile(rb"\{(\d+)\}\r\n")
PART_VALUES = (
    *("header_offset", "header_size", "body_offset", "body_size", "lines"),
    *("type", "subtype", "charset", "encoding"),
)
NUMBER = re.compile(rb"0|[1-9]\d*")


def read(form: bytes) -> Any:
    """The one form these bytes are: bytes for strings, None for NIL, int, list."""
    value, end = _read(form, 0)
    assert end == len(form), form[end:]
    return value


def _read(form: bytes, position: int) -> tuple[Any, int]:
    stack: list[list[Any]] = []
    value: Any = None
    while True:
        if form[position : position + 1] == b"(":
            stack.append([])
            position += 1
            continue
        if form.startswith(b"NIL", position):
            value, position = None, position + 3
        elif match := QUOTED.match(form, position):
            value, position = re.sub(rb"\\(.)", rb"\1", match.group(1)), match.end()
        elif match := LITERAL.match(form, position):
            position = match.end() + int(match.group(1))
            value = form[match.end() : position]
            assert len(value) == int(match.group(1))
            assert 0 not in value
        elif match := NUMBER.match(form, position):
            value, position = int(match.group()), match.end()
        else:
            raise AssertionError(f"no form at {position}: {form[position : position + 60]!r}")
        while stack:
            stack[-1].append(value)
            following = form[position : position + 1]
            if following == b")":
                value = stack.pop()
                position += 1
                continue
            if following == b" ":
                position += 1
            else:
                assert following == b"(", f"forms run together at {position}: {form[position - 20 : position + 20]!r}"
            break
        if not stack:
            return value, position


def check_envelope(form: Any) -> None:
    """envelope of the grammar."""
    assert len(form) == 10
    for index in (0, 1, 8, 9):
        assert_nstring(form[index])
    for index in range(2, 8):
        if form[index] is None:
            continue
        assert form[index]
        depth = 0
        for address in form[index]:
            assert len(address) == 4
            for piece in address:
                assert_nstring(piece)
            if address[3] is None:
                depth += 1 if address[2] is not None else -1
            assert 0 <= depth <= 1
        assert depth == 0


def check_body(form: Any, extended: bool) -> None:
    """body of the grammar, with or without extension data."""
    waiting = [form]
    while waiting:
        form = waiting.pop()
        if isinstance(form[0], list):
            parts = [item for item in form if isinstance(item, list)]
            count = next(index for index, item in enumerate(form) if not isinstance(item, list))
            assert count <= len(parts)
            waiting.extend(form[:count])
            assert_string(form[count])
            rest = form[count + 1 :]
            assert len(rest) == (4 if extended else 0)
            if extended:
                check_parameters(rest[0])
                check_extension(rest[1:])
            continue
        kind, subtype, parameters, content_id, description, encoding, size, *rest = form
        assert_string(kind)
        assert_string(subtype)
        check_parameters(parameters)
        assert_nstring(content_id)
        assert_nstring(description)
        assert_string(encoding)
        assert isinstance(size, int)
        if kind.lower() == b"message" and subtype.lower() in (b"rfc822", b"global"):
            check_envelope(rest[0])
            waiting.append(rest[1])
            assert isinstance(rest[2], int)
            rest = rest[3:]
        elif kind.lower() == b"text":
            assert isinstance(rest[0], int)
            rest = rest[1:]
        assert len(rest) == (4 if extended else 0)
        if extended:
            assert_nstring(rest[0])
            check_extension(rest[1:])


def check_extension(rest: Any) -> None:
    """Disposition, language, location."""
    disposition, language, location = rest
    if disposition is not None:
        assert_string(disposition[0])
        check_parameters(disposition[1])
        assert len(disposition) == 2
    if language is not None:
        assert language
        for tag in language:
            assert_string(tag)
    assert_nstring(location)


def check_parameters(form: Any) -> None:
    """body-fld-param."""
    if form is not None:
        assert form
        assert len(form) % 2 == 0
        for item in form:
            assert_string(item)


def assert_string(value: Any) -> None:
    assert isinstance(value, bytes)


def assert_nstring(value: Any) -> None:
    assert value is None or isinstance(value, bytes)


def same(part: Part, other: Part) -> bool:
    """Whether two parts, their own parts aside, are alike."""
    return all(getattr(part, name) == getattr(other, name) for name in PART_VALUES)


def walk(root: Part) -> Iterator[Part]:
    """All parts, each before its children."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed([part.message] if part.message is not None else part.children))


def crlf(text: str) -> bytes:
    """A message from a text block: CRLF line ends, the block's first line end dropped."""
    return text.removeprefix("\n").replace("\n", "\r\n").encode("latin-1")
