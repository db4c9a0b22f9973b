"""The argument reader.  Invariant: any text gives a value or BadSyntax, nothing else, whichever method reads it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Literal
from nmsd.wire.reader import NAME_LIMIT, Reader, split_tag, split_word
from nmsd.wire.write import write_astring, write_nstring, write_quoted, write_string


def reader(text: bytes, *literals: bytes) -> Reader:
    """A command in which each "{}" stands for the next literal."""
    return Reader(text.split(b"{}"), [Literal(data, False) for data in literals])


METHODS: list[Callable[[Reader], object]] = [
    Reader.atom,
    Reader.keyword,
    Reader.maybe_keyword,
    Reader.item_name,
    Reader.number,
    Reader.nonzero,
    Reader.number_set_text,
    Reader.string,
    Reader.astring,
    Reader.nstring,
    Reader.list_mailbox,
    Reader.flag,
    Reader.flag_list,
    Reader.literal,
    Reader.rest,
    Reader.skip_value,
    Reader.space,
    Reader.end,
]


@given(
    st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"(", b")", b"\\", b" ", b"NIL", b"7"]))),
    st.lists(st.binary(max_size=5), max_size=2),
    st.lists(st.sampled_from(METHODS), max_size=6),
)
def test_anything_is_a_value_or_bad_syntax(
    texts: list[bytes], literals: list[bytes], methods: list[Callable[[Reader], object]]
) -> None:
    parts = [b"".join(texts), *[b" x" for _ in literals]]
    read = Reader(parts, [Literal(data, False) for data in literals])
    with suppress(BadSyntax):
        for method in methods:
            method(read)


@given(st.binary(max_size=1200).filter(lambda text: b"\0" not in text))
def test_what_is_written_as_a_string_is_read_back(text: bytes) -> None:
    for written, read in (
        (write_string(text), Reader.string),
        (write_astring(text), Reader.astring),
        (write_nstring(text), Reader.nstring),
    ):
        if written.startswith(b"{"):
            _announcement, data = written.split(b"\r\n", 1)
            source = Reader([b"", b""], [Literal(data, False)])
        else:
            source = Reader([written], [])
        assert read(source) == text
        assert source.at_end()


def test_nil_is_written_and_read_as_none() -> None:
    assert write_nstring(None) == b"NIL"
    assert reader(b"nil").nstring() is None
    assert reader(b'"nil"').nstring() == b"nil"
    assert write_astring(b"nil") == b'"nil"'


def test_quotes_and_backslashes_are_escaped() -> None:
    assert write_quoted(b'a"b\\c') == b'"a\\"b\\\\c"'
    assert reader(b'"a\\"b\\\\c"').string() == b'a"b\\c'


@pytest.mark.parametrize("text", [b'"', b'"abc', b'"a\\b"', b'"a\rb"', b'"a\nb"', b'"a\0b"', b"", b" a", b"(a)"])
def test_what_is_no_string_is_bad_syntax(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        reader(text).string()


@pytest.mark.parametrize("text", [b"", b" ", b"(", b")", b"{", b"%", b"*", b'"', b"\\", b"\xe4", b"\x7f", b"]"])
def test_what_is_no_atom_is_bad_syntax(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        reader(text).atom()


def test_numbers_have_an_upper_bound() -> None:
    assert reader(b"4294967295").number() == 4294967295
    assert reader(b"0").number() == 0
    for text in (b"4294967296", b"9" * 5000, b"-1", b"x", b""):
        with pytest.raises(BadSyntax):
            reader(text).number()
    with pytest.raises(BadSyntax):
        reader(b"0").nonzero()


def test_literals_stand_between_the_parts() -> None:
    read = reader(b"a {} (\\Seen) {}", b"one", b"two")

    assert read.atom() == b"a"
    read.space()
    assert read.astring() == b"one"
    read.space()
    assert read.flag_list() == ["\\Seen"]
    read.space()
    assert not read.at_end()
    assert read.literal().data == b"two"
    read.end()


def test_a_literal_is_no_short_string_when_it_is_long() -> None:
    assert reader(b"{}", b"x" * NAME_LIMIT).string() == b"x" * NAME_LIMIT
    with pytest.raises(BadSyntax):
        reader(b"{}", b"x" * (NAME_LIMIT + 1)).string()


def test_an_item_name_ends_before_a_bracket() -> None:
    read = reader(b"body.peek[1.2.text]<0.5>")

    assert read.item_name() == b"BODY.PEEK"
    assert read.maybe(b"[")
    assert read.number() == 1
    assert read.maybe_dot_digit()
    assert read.number() == 2
    assert not read.maybe_dot_digit()
    read.expect(b".")
    assert read.item_name() == b"TEXT"


def test_flags_are_atoms_or_backslashed_atoms() -> None:
    assert reader(b"()").flag_list() == []
    assert reader(b"(\\Seen Work $x)").flag_list() == ["\\Seen", "Work", "$x"]
    for text in (b"(\\)", b"(a  b)", b"(a", b"a", b"( a)", b'("a")'):
        with pytest.raises(BadSyntax):
            reader(text).flag_list()


def test_values_are_passed_over_up_to_a_depth() -> None:
    read = reader(b'(a ("b" {}) NIL) x', b"c")
    read.skip_value()
    read.space()
    assert read.atom() == b"x"
    reader(b"(" * 20 + b")" * 20).skip_value()
    with pytest.raises(BadSyntax):
        reader(b"(" * 40 + b")" * 40).skip_value()
    with pytest.raises(BadSyntax):
        reader(b"(" * 10_000).skip_value()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a1 noop", (b"a1", b"NOOP", 7)),
        (b"a1 uid fetch 1 flags", (b"a1", b"UID", 6)),
        (b"a1", (b"a1", b"", 3)),
        (b"a1 ", (b"a1", b"", 3)),
        (b"a1  noop", (b"a1", b"", 3)),
        (b"", (b"", b"", 0)),
        (b"+ noop", (b"", b"", 0)),
        (b"a+b noop", (b"", b"", 0)),
        (b" noop", (b"", b"", 0)),
        (b"\xe4 noop", (b"", b"", 0)),
        (b"a1 (noop)", (b"a1", b"", 3)),
    ],
)
def test_tag_and_name_are_split_off(line: bytes, expected: tuple[bytes, bytes, int]) -> None:
    assert split_tag(line) == expected


def test_the_second_word_of_a_name_is_split_off() -> None:
    assert split_word(b"a uid fetch 1 flags", 5) == (b"FETCH", 11)
    assert split_word(b"a uid", 5) == (b"", 5)
    assert split_word(b"a uid ", 5) == (b"", 5)
    assert split_word(b"a uid (x)", 5) == (b"", 5)
