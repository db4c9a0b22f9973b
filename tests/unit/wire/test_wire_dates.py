"""IMAP dates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.message import Instant
from nmsd.wire.dates import parse_date, parse_date_time, write_date_time
from nmsd.wire.errors import BadSyntax

INSTANTS = st.builds(Instant, st.integers(-2_000_000_000, 200_000_000_000), st.integers(-1439, 1439))


@given(INSTANTS)
def test_what_is_written_is_read_back(instant: Instant) -> None:
    assert parse_date_time(write_date_time(instant)) == instant


@given(st.one_of(st.binary(max_size=30), st.text("0123456789- :+JanFeb", max_size=28).map(str.encode)))
def test_any_text_is_a_date_or_bad_syntax(text: bytes) -> None:
    for parse in (parse_date, parse_date_time):
        try:
            parse(text)
        except BadSyntax:
            pass


def test_a_date_time_has_the_form_of_the_standard() -> None:
    assert write_date_time(Instant(837596665, -420)) == b"17-Jul-1996 02:44:25 -0700"
    assert write_date_time(Instant(0)) == b" 1-Jan-1970 00:00:00 +0000"
    assert parse_date_time(b" 1-jan-1970 01:30:00 +0130") == Instant(0, 90)


def test_a_leap_second_is_taken() -> None:
    assert parse_date_time(b"31-Dec-2016 23:59:60 +0000") == parse_date_time(b"31-Dec-2016 23:59:59 +0000")


def test_a_date_is_days_since_1970() -> None:
    assert parse_date(b"1-Jan-1970") == 0
    assert parse_date(b"01-feb-1970") == 31
    assert parse_date(b"31-Dec-1969") == -1


@pytest.mark.parametrize(
    "text",
    [b"", b"1-Foo-1994", b"31-Feb-1994", b"0-Jan-1994", b"1-Jan-94", b"1 Jan 1994", b"1-Jan-0000", b"1-Jan-1994 "],
)
def test_what_is_no_date_is_bad_syntax(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_date(text)


@pytest.mark.parametrize(
    "text",
    [
        b"1-Jan-1994 00:00:00 +0000",  # one digit needs a space before it
        b"01-Jan-1994 24:00:00 +0000",
        b"01-Jan-1994 00:60:00 +0000",
        b"01-Jan-1994 00:00:00 0000",
        b"01-Jan-1994 00:00:00 +2400",
        b"01-Jan-1994 00:00:00 +9999",
        b"01-Jan-0000 00:00:00 +0000",
        b"01-Jan-1994",
    ],
)
def test_what_is_no_date_time_is_bad_syntax(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_date_time(text)
