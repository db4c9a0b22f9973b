"""Counters of several workers added up, and percentiles out of histograms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.supervisor.counters import add_up, percentile

BOUNDS = [0.001, 0.01, 0.1, 1.0]


def worker(service: str, counts: list[int], **more: object) -> dict[str, object]:
    times = {"bounds": BOUNDS, "counts": counts, "sum": float(sum(counts))}
    return {"service": service, "latency": {"command": times}, **more}


def test_numbers_are_added_but_for_the_most_sessions_at_a_time() -> None:
    found = add_up(
        [
            worker("imap", [1, 0, 0, 0, 0], sessions=3, most=9, logins=4, commands={"NOOP": {"OK": 5}}),
            worker("imap", [0, 0, 2, 0, 0], sessions=2, most=7, commands={"NOOP": {"OK": 1, "BAD": 1}}),
            worker("pop", [0, 0, 0, 0, 0], sessions=1),
        ]
    )
    assert {name: facts["sessions"] for name, facts in found.items()} == {"imap": 5, "pop": 1}
    assert (found["imap"]["most"], found["imap"]["logins"]) == (9, 4)
    assert found["imap"]["commands"] == {"NOOP": {"OK": 6, "BAD": 1}}
    times = found["imap"]["latency"]["command"]
    assert (times["counts"], times["count"], times["sum"]) == ([1, 0, 2, 0, 0], 3, 3.0)
    assert found["pop"]["latency"]["command"]["p50"] is None


@pytest.mark.parametrize(
    ("counts", "percent", "expected"),
    [
        ([0, 0, 0, 0, 0], 50, None),
        ([1, 0, 0, 0, 0], 50, 0.001),
        ([100, 0, 0, 0, 0], 50, 0.0005),
        ([0, 100, 0, 0, 0], 100, 0.01),
        ([50, 50, 0, 0, 0], 50, 0.001),
        ([50, 50, 0, 0, 0], 99, 0.00982),
        ([99, 0, 0, 0, 1], 99, 0.001),
        ([99, 0, 0, 0, 1], 100, 1.0),
        ([0, 0, 0, 0, 7], 50, 1.0),
    ],
)
def test_a_percentile_lies_between_the_bounds_of_its_bucket(
    counts: list[int], percent: float, expected: float | None
) -> None:
    assert percentile(BOUNDS, counts, percent) == expected


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=200), st.integers(1, 100))
def test_the_estimate_is_in_the_same_bucket_as_the_true_percentile(times: list[float], percent: int) -> None:
    counts = [0] * (len(BOUNDS) + 1)
    for time in times:
        counts[next(number for number, bound in enumerate(BOUNDS) if time <= bound)] += 1
    true = sorted(times)[max(1, -(-len(times) * percent // 100)) - 1]
    estimate = percentile(BOUNDS, counts, percent)
    assert estimate is not None
    bucket = next(number for number, bound in enumerate(BOUNDS) if true <= bound)
    assert ([0.0, *BOUNDS][bucket]) <= estimate <= BOUNDS[bucket]
