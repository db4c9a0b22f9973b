"""Internal dates, ready for the wire, and as days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from nmsd.model.message import Instant

_EPOCH: Final = datetime(1970, 1, 1)
_FIRST: Final = -62135596800 + 86400  # the year 1, and a day for the zone
_LAST: Final = 253402300799 - 86400  # the year 9999: the date-time of RFC 9051 §9 has four digits
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def clamp(instant: Instant) -> Instant:
    """The nearest moment that can be written on the wire."""
    zone = max(-1439, min(instant.zone, 1439))
    return Instant(max(_FIRST, min(instant.epoch, _LAST)), zone)


def wire_date(instant: Instant) -> bytes:
    """A date-time (RFC 9051 §9) without its quotes."""
    instant = clamp(instant)
    local = _EPOCH + timedelta(seconds=instant.epoch + instant.zone * 60)
    zone = abs(instant.zone)
    return b"%2d-%b-%04d %02d:%02d:%02d %c%02d%02d" % (
        local.day,
        _MONTHS[local.month - 1],
        local.year,
        local.hour,
        local.minute,
        local.second,
        b"-" if instant.zone < 0 else b"+",
        zone // 60,
        zone % 60,
    )
