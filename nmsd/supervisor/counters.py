"""The counters of workers, added up by service."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

SUMS: Final = ("sessions", "idle", "most", "connections", "rejected", "kept_out", "retired", "logins", "bad_logins")
"""The plain numbers; `most` is the greatest of the workers', the others are added."""

PERCENTILES: Final = (50, 95, 99)


def add_up(answers: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By service: the numbers of SUMS, `commands` by name and outcome, and `latency` by what took its time: `bounds`
    of the buckets in seconds, the `counts` in each, `sum`, `count`, and `p50` and so on, None where there are none."""
    found: dict[str, dict[str, Any]] = {}
    for facts in answers:
        total = found.setdefault(facts["service"], {**dict.fromkeys(SUMS, 0), "commands": {}, "latency": {}})
        for name in SUMS:
            value = int(facts.get(name, 0))
            total[name] = max(total[name], value) if name == "most" else total[name] + value
        for command, outcomes in facts.get("commands", {}).items():
            counts = total["commands"].setdefault(command, {})
            for outcome, count in outcomes.items():
                counts[outcome] = counts.get(outcome, 0) + count
        for what, times in facts.get("latency", {}).items():
            _add_times(total["latency"], what, times)
    for total in found.values():
        for times in total["latency"].values():
            times["count"] = sum(times["counts"])
            for percent in PERCENTILES:
                times[f"p{percent}"] = percentile(times["bounds"], times["counts"], percent)
    return found


def _add_times(total: dict[str, Any], what: str, times: dict[str, Any]) -> None:
    known = total.setdefault(what, {"bounds": times["bounds"], "counts": [0] * len(times["counts"]), "sum": 0.0})
    known["counts"] = [one + other for one, other in zip(known["counts"], times["counts"], strict=True)]
    known["sum"] = round(known["sum"] + times["sum"], 6)


def percentile(bounds: Sequence[float], counts: Sequence[int], percent: float) -> float | None:
    """Below what value so many percent of the observations were, as far as buckets tell: as if they lay evenly in each.

    In the last bucket, which has no upper bound, it is the bound before it.  None without observations.
    """
    total = sum(counts)
    if not total:
        return None
    rank = max(1, math.ceil(total * percent / 100))
    below = 0
    low = 0.0
    for high, count in zip(bounds, counts, strict=False):
        if below + count >= rank:
            return round(low + (high - low) * (rank - below) / count, 6)
        below += count
        low = high
    return low
