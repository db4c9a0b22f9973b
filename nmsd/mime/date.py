"""The Date field (RFC 5322 §3.3, §4.3, and what programs write instead)."""

from __future__ import annotations


def parse_date_header(value: bytes) -> tuple[int, int] | None:
    """(seconds since the epoch UTC, minutes east of UTC), or None if no date can be made out.  Never raises."""
    raise NotImplementedError
