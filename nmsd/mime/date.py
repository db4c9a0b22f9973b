"""The Date field (RFC 5322 §3.3, §4.3, and what programs write instead)."""

from __future__ import annotations

import re
from typing import Final

from nmsd.mime.address import strip_comments

_MONTHS: Final = {
    b"jan": 1,
    b"feb": 2,
    b"mar": 3,
    b"apr": 4,
    b"may": 5,
    b"jun": 6,
    b"jul": 7,
    b"aug": 8,
    b"sep": 9,
    b"oct": 10,
    b"nov": 11,
    b"dec": 12,
}
_MONTH_DAYS: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

# Hours east of UTC.  RFC 5322 §4.3 defines the first ten; a military letter, or any other name, counts as UTC.
_ZONES: Final = {
    b"UT": 0,
    b"GMT": 0,
    b"EST": -5,
    b"EDT": -4,
    b"CST": -6,
    b"CDT": -5,
    b"MST": -7,
    b"MDT": -6,
    b"PST": -8,
    b"PDT": -7,
    b"AKST": -9,
    b"AKDT": -8,
    b"HST": -10,
    b"WEST": 1,
    b"BST": 1,
    b"CET": 1,
    b"MET": 1,
    b"MEZ": 1,
    b"CEST": 2,
    b"MEST": 2,
    b"MESZ": 2,
    b"EET": 2,
    b"EEST": 3,
    b"MSK": 3,
    b"JST": 9,
    b"KST": 9,
    b"AEST": 10,
    b"AEDT": 11,
}

_TIME: Final = rb"(\d{1,2})\s*[:.]\s*(\d{1,2})(?:\s*[:.]\s*(\d{1,2})(?:[.,]\d+)?)?"
_ZONE: Final = rb"\s*(?:(?:UTC|GMT|UT)?([+-]\d{1,2}:?\d{2})|([A-Za-z]+))?"

# [Mon,] 2 Jan 2006 15:04[:05] +0100 | 2-Jan-06 15:04:05 GMT | 2 Jan 2006
_USUAL: Final = re.compile(
    rb"\s*(?:[^\W\d]+[.,]*\s*)?(\d{1,2})[\s.-]+([A-Za-z]{3})[A-Za-z]*[\s.,-]+(\d{2,4})(?:,?\s+" + _TIME + _ZONE + rb")?"
)
# Mon Jan  2 15:04:05 [MST] 2006 [+0100], as C's asctime and Unix's date have it
_ASCTIME: Final = re.compile(
    rb"\s*(?:[^\W\d]+[.,]*\s+)?([A-Za-z]{3})[A-Za-z]*\s+(\d{1,2}),?\s+" + _TIME + rb"\s+(?:([A-Za-z]+)\s+)?(\d{4})"
    rb"(?:\s+([+-]\d{4}))?"
)
# 2006-01-02T15:04:05Z
_ISO: Final = re.compile(rb"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s]+" + _TIME + _ZONE + rb")?")


def parse_date_header(value: bytes) -> tuple[int, int] | None:
    """(seconds since the epoch UTC, minutes east of UTC), or None if no date can be made out.  Never raises."""
    found = _USUAL.match(value)
    if found is None or found.group(4) is None:  # comments may stand anywhere, and hide the time
        value = strip_comments(value.replace(b"\n", b" "))
        found = _USUAL.match(value)
    if found is not None:
        day, month_name, year, hour, minute, second, offset, zone = found.groups()
        month = _MONTHS.get(month_name.lower(), 0)
        return _instant(_year(year), month, int(day), hour, minute, second, _zone(offset, zone))
    found = _ASCTIME.match(value)
    if found is not None:
        month_name, day, hour, minute, second, zone, year, offset = found.groups()
        month = _MONTHS.get(month_name.lower(), 0)
        return _instant(int(year), month, int(day), hour, minute, second, _zone(offset, zone))
    found = _ISO.match(value)
    if found is not None:
        year, iso_month, day, hour, minute, second, offset, zone = found.groups()
        return _instant(int(year), int(iso_month), int(day), hour, minute, second, _zone(offset, zone))
    return None


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a Gregorian date."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


def _year(digits: bytes) -> int:
    # RFC 5322 §4.3: two digits below 50 are 20xx, other two and all three digits count from 1900.
    year = int(digits)
    if len(digits) == 2 and year < 50:
        return 2000 + year
    return 1900 + year if len(digits) < 4 else year


def _zone(offset: bytes | None, name: bytes | None) -> int:
    if offset is not None:
        digits = offset[1:].replace(b":", b"").rjust(4, b"0")
        hours = int(digits[:2])
        minutes = int(digits[2:])
        if hours > 23 or minutes > 59:
            return 0
        return (hours * 60 + minutes) * (-1 if offset[:1] == b"-" else 1)
    return _ZONES.get(name.upper(), 0) * 60 if name is not None else 0


def _instant(
    year: int, month: int, day: int, hour: bytes | None, minute: bytes | None, second: bytes | None, zone: int
) -> tuple[int, int] | None:
    hours = int(hour) if hour is not None else 0
    minutes = int(minute) if minute is not None else 0
    seconds = int(second) if second is not None else 0
    if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month] or hours > 24 or minutes > 59 or seconds > 60:
        return None
    days = days_from_civil(year, month, day)
    return days * 86400 + hours * 3600 + minutes * 60 + seconds - zone * 60, zone
