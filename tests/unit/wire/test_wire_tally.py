"""Counters of commands."""

from __future__ import annotations

from nmsd.wire.tally import UNKNOWN, Tally


def test_commands_are_counted_by_name_and_outcome() -> None:
    tally = Tally()
    for outcome in (b"OK", b"OK", b"NO"):
        tally.count(b"UID FETCH", outcome)
    tally.count(UNKNOWN, b"BAD")
    assert tally.read() == {"UID FETCH": {"OK": 2, "NO": 1}, "UNKNOWN": {"BAD": 1}}


def test_what_was_read_does_not_change_any_more() -> None:
    tally = Tally()
    tally.count(b"NOOP", b"OK")
    seen = tally.read()
    tally.count(b"NOOP", b"OK")
    assert seen == {"NOOP": {"OK": 1}}
