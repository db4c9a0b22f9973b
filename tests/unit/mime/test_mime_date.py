"""Date fields."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.mime.date import parse_date_header


def at(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, zone: int = 0
) -> tuple[int, int]:
    """What the parser should give for this moment."""
    moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta(minutes=zone)))
    return int(moment.timestamp()), zone


DATES = [
    (b"Fri, 21 Nov 1997 09:55:06 -0600", at(1997, 11, 21, 9, 55, 6, -360)),
    (b"Thu, 13 Feb 1969 23:32:54 -0330", at(1969, 2, 13, 23, 32, 54, -210)),
    (b"Tue, 1 Jul 2003 10:52:37 +0200", at(2003, 7, 1, 10, 52, 37, 120)),
    # RFC 5322 appendix A.5 and A.6
    (b"Thu,\n 13\n Feb\n 1969\n 23:32\n -0330 (Newfoundland Time)", at(1969, 2, 13, 23, 32, 0, -210)),
    (b"21 Nov 97 09:55:06 GMT", at(1997, 11, 21, 9, 55, 6)),
    (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", at(1997, 11, 21, 9, 55, 6, -360)),
    (b"(a) Fri, (b) 21 (c) Nov (d) 1997 (e) 09:55:06 (f) -0600", at(1997, 11, 21, 9, 55, 6, -360)),
    (b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", at(1996, 7, 17, 2, 23, 25, -420)),
    (b"1 Jan 49 00:00 Z", at(2049, 1, 1)),
    (b"1 Jan 50 00:00 Z", at(1950, 1, 1)),
    (b"1 Jan 101 00:00 Z", at(2001, 1, 1)),
    (b"1 Jan 2024 12:00 EST", at(2024, 1, 1, 12, 0, 0, -300)),
    (b"1 Jan 2024 12:00 PDT", at(2024, 1, 1, 12, 0, 0, -420)),
    (b"1 Jan 2024 12:00 cest", at(2024, 1, 1, 12, 0, 0, 120)),
    (b"1 Jan 2024 12:00 K", at(2024, 1, 1, 12)),
    (b"1 Jan 2024 12:00 NOWHERE", at(2024, 1, 1, 12)),
    (b"1 Jan 2024 12:00", at(2024, 1, 1, 12)),
    (b"1 Jan 2024 12:00 GMT+0100", at(2024, 1, 1, 12, 0, 0, 60)),
    (b"1 Jan 2024 12:00 +01:00", at(2024, 1, 1, 12, 0, 0, 60)),
    (b"1 Jan 2024 12:00 +100", at(2024, 1, 1, 12, 0, 0, 60)),
    (b"1 Jan 2024 12:00 +9999", at(2024, 1, 1, 12)),
    (b"1 Jan 2024 12:00 -0000", at(2024, 1, 1, 12)),
    (b"1 Jan 2024", at(2024, 1, 1)),
    (b"Monday, 01-Jan-24 12:00:00 GMT", at(2024, 1, 1, 12)),
    (b"Mon 1 January 2024 12.30.15 +0000", at(2024, 1, 1, 12, 30, 15)),
    (b"Mon,1 Jan 2024 12:00:00.123 +0000", at(2024, 1, 1, 12)),
    (b"Mon Jan  1 12:00:00 2024", at(2024, 1, 1, 12)),
    (b"Mon Jan 1 12:00:00 MET 2024", at(2024, 1, 1, 12, 0, 0, 60)),
    (b"Mon Jan 1 12:00:00 2024 +0200", at(2024, 1, 1, 12, 0, 0, 120)),
    (b"2024-01-02T03:04:05Z", at(2024, 1, 2, 3, 4, 5)),
    (b"2024-01-02 03:04:05+02:00", at(2024, 1, 2, 3, 4, 5, 120)),
    (b"Sat, 29 Feb 2020 00:00:00 +0000", at(2020, 2, 29)),
    (b"Sat, 31 Dec 2016 23:59:60 +0000", at(2017, 1, 1)),
    (b"Sat, 30 Feb 2020 00:00:00 +0000", None),
    (b"0 Jan 2020 00:00 +0000", None),
    (b"32 Jan 2020 00:00 +0000", None),
    (b"1 Foo 2020 00:00 +0000", None),
    (b"1 Jan 2020 25:00 +0000", None),
    (b"1 Jan 2020 12:61 +0000", None),
    (b"", None),
    (b"tomorrow", None),
    (b"(((", None),
    (b"1 \xff 2020", None),
]


@pytest.mark.parametrize(("value", "expected"), DATES)
def test_parse_date_header(value: bytes, expected: tuple[int, int] | None) -> None:
    """Each date gives just this moment and zone, or None."""
    assert parse_date_header(value) == expected


@settings(deadline=None)
@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 12, 30)),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_every_proper_date_is_read(moment: datetime, zone: int) -> None:
    """The calendar arithmetic agrees with datetime's."""
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=zone)))
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.month - 1]
    hours, minutes = divmod(abs(zone), 60)
    offset = f"{'-' if zone < 0 else '+'}{hours:02}{minutes:02}"
    text = f"{moment.day} {month} {moment.year:04} {moment:%H:%M:%S} {offset}"
    assert parse_date_header(text.encode()) == (int(moment.timestamp()), zone)


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_raise(value: bytes) -> None:
    """Any field value."""
    parse_date_header(value)


@settings(deadline=None)
@given(st.text(alphabet="0123456789 :,+-()JanFebT\n").map(str.encode))
def test_nothing_like_a_date_raises(value: bytes) -> None:
    """Values of what dates are made of."""
    parse_date_header(value)
