"""Sequence sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.uidset import UidSet
from nmsd.wire.errors import BadSyntax
from nmsd.wire.numberset import NUMBER_MAX, parse_number_set, write_number_set

NUMBERS = st.integers(1, 300)
SETS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1).map(UidSet)


@given(SETS)
def test_what_is_written_is_read_back(numbers: UidSet) -> None:
    assert parse_number_set(write_number_set(numbers), 0) == numbers


@given(st.lists(st.tuples(st.one_of(NUMBERS, st.just(0)), st.one_of(NUMBERS, st.just(0))), min_size=1), NUMBERS)
def test_a_set_is_the_union_of_its_ranges_and_the_star_is_the_largest(
    ranges: list[tuple[int, int]], largest: int
) -> None:
    text = b",".join(b"%b:%b" % (_written(low), _written(high)) for low, high in ranges)

    expected: set[int] = set()
    for low, high in ranges:
        first, last = sorted((low or largest, high or largest))
        expected.update(range(first, last + 1))
    assert set(parse_number_set(text, largest)) == expected


def _written(number: int) -> bytes:
    return b"%d" % number if number else b"*"


@given(st.one_of(st.binary(max_size=12), st.text("0123456789:*,", max_size=12).map(str.encode)), st.integers(0, 50))
def test_any_text_is_a_set_or_bad_syntax(text: bytes, largest: int) -> None:
    try:
        parse_number_set(text, largest)
    except BadSyntax:
        pass


@pytest.mark.parametrize(
    "text", [b"", b",", b"1,", b"1:", b":1", b"0", b"0:1", b"1:2:3", b"a", b"-1", b"1 ", b"4294967296"]
)
def test_what_is_no_set_is_bad_syntax(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_number_set(text, 10)


def test_the_largest_number_is_taken() -> None:
    assert list(parse_number_set(b"4294967295", 1)) == [NUMBER_MAX]


def test_a_star_in_an_empty_mailbox_is_nothing_but_a_range_with_it_still_has_its_other_end() -> None:
    assert not parse_number_set(b"*", 0)
    assert parse_number_set(b"5:*", 0).high == 5


def test_ranges_may_be_given_backwards() -> None:
    assert parse_number_set(b"9:7,2", 10) == UidSet([(2, 2), (7, 9)])


def test_neighbours_are_written_as_one_range() -> None:
    assert write_number_set(UidSet.of([1, 2, 3, 7, 9])) == b"1:3,7,9"
