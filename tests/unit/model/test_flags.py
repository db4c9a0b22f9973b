"""Flags as bits."""

from hypothesis import given
from hypothesis import strategies as st

from nmsd.model import flags


def test_system_flags_are_known_in_any_case() -> None:
    assert flags.system_bit("\\SEEN") == flags.SEEN
    assert flags.system_bit("\\Recent") == 0


def test_names_come_back_with_keywords_after_system_flags() -> None:
    bits = flags.DELETED | flags.SEEN | flags.keyword_bit("$Junk", ("a", "$junk"))
    assert flags.flag_names(bits, ("a", "$junk")) == ["\\Seen", "\\Deleted", "$junk"]


def test_bits_past_the_table_are_left_out() -> None:
    assert flags.flag_names(1 << 40, ("a",)) == []


def test_split_drops_keywords_said_twice_in_any_case() -> None:
    assert flags.split_flags(["\\Seen", "Work", "WORK", "\\draft"]) == (flags.SEEN | flags.DRAFT, ("Work",))


@given(st.integers(0, 31))
def test_system_bits_survive_the_way_through_names(bits: int) -> None:
    assert flags.split_flags(flags.flag_names(bits, ())) == (bits, ())
