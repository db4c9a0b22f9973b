"""The line framer of POP3 and LMTP."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.wire.lines import LineFramer, LineTooLong
from nmsd.wire.newlines import NewlineFixer, with_crlf


def lines(framer: LineFramer) -> list[bytes | None]:
    """All lines there are; None for one that is too long."""
    found: list[bytes | None] = []
    while True:
        try:
            line = framer.maybe_line()
        except LineTooLong:
            found.append(None)
            continue
        if line is None:
            return found
        found.append(line)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def test_a_line_is_given_without_its_end_once_it_is_complete() -> None:
    framer = LineFramer(100)
    framer.feed(b"NOOP\r")
    assert framer.maybe_line() is None
    framer.feed(b"\nSTAT\nQU")
    assert lines(framer) == [b"NOOP", b"STAT"]
    assert framer.buffered() == 2


def test_a_line_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    framer = LineFramer(10)
    framer.feed(b"x" * 10 + b"\r\n" + b"y" * 11 + b"\r\n" + b"NOOP\r\n")
    assert lines(framer) == [b"x" * 10, None, b"NOOP"]


def test_of_a_line_without_end_only_the_limit_is_kept() -> None:
    framer = LineFramer(10)
    for _ in range(1000):
        framer.feed(b"z" * 1000)
        assert framer.maybe_line() is None
        assert framer.buffered() == 0
    framer.feed(b"\r\nNOOP\r\n")
    assert lines(framer) == [None, b"NOOP"]


def test_clear_forgets_what_is_unread_and_what_was_to_be_skipped() -> None:
    framer = LineFramer(10)
    framer.feed(b"NOOP\r\nQUIT\r\n")
    assert framer.maybe_line() == b"NOOP"
    framer.skip(1000)
    framer.clear()
    framer.feed(b"STAT\r\n")
    assert lines(framer) == [b"STAT"]


def test_skip_throws_away_what_waits_and_what_comes() -> None:
    framer = LineFramer(10)
    framer.feed(b"abc")
    framer.skip(6)
    framer.feed(b"de")
    framer.feed(b"fNOOP\r\n")
    assert lines(framer) == [b"NOOP"]


@given(st.binary(max_size=200).map(lambda data: data.replace(b"x", b"\r\n")), st.lists(st.integers(0, 200)))
def test_chunking_never_changes_the_lines(data: bytes, places: list[int]) -> None:
    whole = LineFramer(20)
    whole.feed(data)
    expected = lines(whole)
    framer = LineFramer(20)
    found: list[bytes | None] = []
    for piece in cut(data, places):
        framer.feed(piece)
        found += lines(framer)
    assert found == expected


@given(st.binary(max_size=100), st.lists(st.integers(1, 20)))
def test_take_and_put_back_lose_nothing(data: bytes, sizes: list[int]) -> None:
    framer = LineFramer(20)
    framer.feed(data)
    taken = b"".join(framer.take(size) for size in sizes)
    framer.put_back(taken)
    assert framer.take(len(data) + 1) == data


@pytest.mark.parametrize(
    ("message", "mended"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"\n\n", b"\r\n\r\n"),
        (b"a\rb\r\n", b"a\rb\r\n"),
        (b"a\r\r\n\n", b"a\r\r\n\r\n"),
    ],
)
def test_bare_line_feeds_get_a_carriage_return(message: bytes, mended: bytes) -> None:
    assert with_crlf(message) == mended


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n"])).map(b"".join), st.lists(st.integers(0, 40)))
def test_line_ends_are_mended_alike_in_any_chunking(message: bytes, places: list[int]) -> None:
    fixer = NewlineFixer()
    found = b"".join(fixer.write(piece) for piece in cut(message, places))
    assert found == with_crlf(message)
    assert found.count(b"\n") == found.count(b"\r\n")
    assert fixer.found == (found != message)
