"""UidSet against Python's own sets."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.uidset import UidSet

numbers = st.sets(st.integers(1, 60), max_size=40)


@given(numbers)
def test_iterates_ascending_and_counts(members: set[int]) -> None:
    assert list(UidSet.of(members)) == sorted(members)
    assert len(UidSet.of(members)) == len(members)
    assert bool(UidSet.of(members)) == bool(members)


@given(numbers, numbers)
def test_union_intersection_and_difference(left: set[int], right: set[int]) -> None:
    assert set(UidSet.of(left) | UidSet.of(right)) == left | right
    assert set(UidSet.of(left) & UidSet.of(right)) == left & right
    assert set(UidSet.of(left) - UidSet.of(right)) == left - right


@given(numbers, numbers, st.integers(0, 70), st.integers(0, 70))
def test_ranges_are_disjoint_ascending_and_never_adjacent(left: set[int], right: set[int], low: int, high: int) -> None:
    one, other = UidSet.of(left), UidSet.of(right)
    for uids in (one, one | other, one & other, one - other, one.between(low, high), one.positions(one & other)):
        for (_low, high_), (low_, _high) in pairwise(uids.ranges()):
            assert high_ + 1 < low_
        assert all(low_ <= high_ for low_, high_ in uids.ranges())


@given(numbers, numbers)
def test_members_have_positions(members: set[int], others: set[int]) -> None:
    uids, some = UidSet.of(members), UidSet.of(members & others)
    assert list(uids.positions(some)) == [uids.index(uid) for uid in some]
    assert some.to_list() == list(some)


@given(numbers)
def test_at_and_index_are_each_others_inverse(members: set[int]) -> None:
    uids = UidSet.of(members)
    assert [uids.at(seq) for seq in range(1, len(uids) + 1)] == sorted(members)
    assert [uids.index(uid) for uid in sorted(members)] == list(range(1, len(uids) + 1))
    assert list(uids.numbered()) == list(enumerate(sorted(members), 1))


@given(numbers, st.integers(0, 70))
def test_index_of_a_stranger_is_zero(members: set[int], number: int) -> None:
    assert (UidSet.of(members).index(number) > 0) == (number in members)
    assert (number in UidSet.of(members)) == (number in members)


@given(numbers, st.integers(-3, 70), st.integers(-3, 70))
def test_slice_clips_to_what_is_there(members: set[int], low: int, high: int) -> None:
    expected = sorted(members)[max(low, 1) - 1 : max(high, 0)] if low <= high else []
    assert list(UidSet.of(members).slice(low, high)) == expected


@given(numbers, st.integers(0, 70), st.integers(0, 70))
def test_between_takes_members_by_value(members: set[int], low: int, high: int) -> None:
    assert set(UidSet.of(members).between(low, high)) == {uid for uid in members if low <= uid <= high}


def test_at_raises_past_either_end() -> None:
    for seq in (0, 4):
        with pytest.raises(IndexError):
            UidSet([(5, 7)]).at(seq)


def test_ranges_given_backwards_and_overlapping_are_merged() -> None:
    assert UidSet([(9, 5), (1, 2), (3, 4), (8, 12)]).ranges() == [(1, 12)]


def test_a_mailbox_without_gaps_is_one_range() -> None:
    assert UidSet.of(range(1, 1001)) == UidSet([(1, 1000)])
    assert hash(UidSet.of(range(1, 1001))) == hash(UidSet([(1, 1000)]))
