"""Counters of commands."""

from __future__ import annotations

from nmsd.wire.tally import BOUNDS_S, UNKNOWN, Histogram, Tally


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


def test_a_time_falls_into_the_bucket_whose_bound_it_does_not_pass() -> None:
    for number, bound in enumerate(BOUNDS_S):
        histogram = Histogram()
        histogram.observe(bound)
        histogram.observe(bound * 1.001)
        counts = histogram.read()["counts"]
        assert [index for index, count in enumerate(counts) if count] == [number, number + 1]
        assert abs(histogram.read()["sum"] - bound * 2.001) < 1e-6


def test_no_time_and_a_clock_that_was_set_back_are_in_the_first_bucket() -> None:
    histogram = Histogram()
    histogram.observe(0.0)
    histogram.observe(-3600.0)
    assert histogram.read() == {"bounds": list(BOUNDS_S), "counts": [2] + [0] * len(BOUNDS_S), "sum": 0.0}
