"""IMAP dates (RFC 9051 §9: date, date-time)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Final

from nmsd.model.message import Instant
from nmsd.wire.errors import BadSyntax

MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH_NUMBERS: Final = {name.upper(): number for number, name in enumerate(MONTHS, 1)}
_DATE: Final = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\Z")
_DATE_TIME: Final = re.compile(
    rb"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})\Z"
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def parse_date(text: bytes) -> int:
    """A date, "1-Feb-1994", as days since 1970-01-01.  Raises BadSyntax."""
    found = _DATE.match(text)
    month = 0 if found is None else _MONTH_NUMBERS.get(found.group(2).upper(), 0)
    if found is None or not month:
        raise BadSyntax("Invalid date")
    try:
        return date(int(found.group(3)), month, int(found.group(1))).toordinal() - _EPOCH_DAY
    except ValueError:
        raise BadSyntax("Invalid date") from None


def parse_date_time(text: bytes) -> Instant:
    """A date-time, "17-Jul-1996 02:44:25 -0700", without quotes.  Raises BadSyntax."""
    found = _DATE_TIME.match(text)
    month = 0 if found is None else _MONTH_NUMBERS.get(found.group(2).upper(), 0)
    if found is None or not month:
        raise BadSyntax("Invalid date-time")
    day, year, hour, minute, second = (int(found.group(group)) for group in (1, 3, 4, 5, 6))
    zone = int(found.group(8)) * 60 + int(found.group(9))
    if found.group(7) == b"-":
        zone = -zone
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone(timedelta(minutes=zone)))
        epoch = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise BadSyntax("Invalid date-time") from None
    return Instant(epoch, zone)


def write_date_time(instant: Instant) -> bytes:
    """A date-time for the wire, without quotes."""
    moment = datetime.fromtimestamp(instant.epoch, timezone(timedelta(minutes=instant.zone)))
    sign = b"-" if instant.zone < 0 else b"+"
    hours, minutes = divmod(abs(instant.zone), 60)
    return b"%2d-%s-%04d %02d:%02d:%02d %s%02d%02d" % (
        moment.day,
        MONTHS[moment.month - 1],
        moment.year,
        moment.hour,
        moment.minute,
        moment.second,
        sign,
        hours,
        minutes,
    )
