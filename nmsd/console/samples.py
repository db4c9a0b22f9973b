"""What the server did, minute by minute, for the last day: the figures behind the charts.

They are in INSTANCE/run/samples.json, a file of a hundred kilobytes that is replaced once a minute, so that the worker
that takes over from this one goes on with them.  A sample holds what happened since the one before it: counters of
workers grow from 0, so what a worker had counted then is kept beside the samples.  What one counted after the last
sample before its end is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

from nmsd.wire.tally import BOUNDS_S

STEP_S: Final = 60
DAY: Final = 1440
_DELIVERY: Final = "DELIVERY"
_PERCENTILE: Final = 0.95


@dataclass(frozen=True)
class Sample:
    """One minute.  `minute` counts from the epoch; sessions are those there were at its end, by service; the others are
    what happened in it; times are in milliseconds, `slow_ms` that which 95 of 100 commands kept within."""

    minute: int
    imap: int
    pop: int
    lmtp: int
    logins: int
    failures: int
    deliveries: int
    refusals: int
    commands: int
    command_ms: float
    slow_ms: float
    delivery_ms: float


@dataclass
class _Counts:
    """What a worker has counted since its start."""

    logins: int
    failures: int
    deliveries: int
    refusals: int
    command: list[int]
    command_s: float
    delivery: list[int]
    delivery_s: float


class Samples:
    """The samples of an instance."""

    def __init__(self, instance: str) -> None:
        self._path = os.path.join(instance, "run", "samples.json")

    def last(self, minutes: int, now: float) -> list[Sample]:
        """Those of the last minutes, the oldest first; minutes without one are not there."""
        oldest = int(now // STEP_S) - minutes
        return [sample for sample in self._load()[2] if sample.minute > oldest]

    def is_due(self, now: float) -> bool:
        """Whether the present minute has none yet."""
        at, _, _ = self._load()
        return int(now // STEP_S) > int(at // STEP_S)

    def take(self, workers: Iterable[Mapping[str, Any]], now: float, uptimes: Mapping[int, float]) -> None:
        """Adds the sample of the present minute.  `workers` is what they answer when asked for their counters,
        `uptimes` how many seconds each process has lived."""
        at, known, samples = self._load()
        is_gap = not at <= now <= at + 2.5 * STEP_S  # what happened in a long time is not of one minute
        counts, since, sessions = {}, [], {"imap": 0, "pop": 0, "lmtp": 0}
        for worker in workers:
            pid = int(worker["pid"])
            sessions[str(worker["service"])] = sessions.get(str(worker["service"]), 0) + int(worker["sessions"])
            counts[str(pid)] = current = _counts(worker)
            before = None if is_gap else known.get(str(pid))
            if before is None:
                is_new = uptimes.get(pid, float("inf")) <= (STEP_S if is_gap else now - at)
                before = _nothing(current) if is_new else current
            since.append((before, current))
        sample = _sample(int(now // STEP_S), sessions, since)
        kept = [each for each in samples if each.minute > sample.minute - DAY and each.minute != sample.minute]
        self._write(now, counts, [*kept, sample])

    def _load(self) -> tuple[float, dict[str, _Counts], list[Sample]]:
        try:
            with open(self._path, "rb") as file:
                found = json.load(file)
            known = {pid: _Counts(*each) for pid, each in found["workers"].items()}
            return float(found["at"]), known, [Sample(*each) for each in found["samples"]]
        except (OSError, ValueError, TypeError, KeyError):
            return 0.0, {}, []  # none yet, or written by another version: they begin anew

    def _write(self, now: float, counts: Mapping[str, _Counts], samples: Sequence[Sample]) -> None:
        content = {
            "at": now,
            "workers": {pid: astuple(each) for pid, each in counts.items()},
            "samples": [astuple(each) for each in samples],
        }
        temporary = f"{self._path}.{os.getpid()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(content, file, separators=(",", ":"))
        os.replace(temporary, self._path)


def _counts(worker: Mapping[str, Any]) -> _Counts:
    latency = worker.get("latency", {})
    outcomes = worker.get("commands", {}).get(_DELIVERY, {})
    good = int(outcomes.get("OK", 0))
    command, delivery = latency.get("command", {}), latency.get("delivery", {})
    return _Counts(
        int(worker.get("logins", 0)),
        int(worker.get("bad_logins", 0)),
        good,
        sum(outcomes.values()) - good,
        list(command.get("counts", ())),
        float(command.get("sum", 0.0)),
        list(delivery.get("counts", ())),
        float(delivery.get("sum", 0.0)),
    )


def _nothing(like: _Counts) -> _Counts:
    return _Counts(0, 0, 0, 0, [0] * len(like.command), 0.0, [0] * len(like.delivery), 0.0)


def _sample(minute: int, sessions: Mapping[str, int], since: Sequence[tuple[_Counts, _Counts]]) -> Sample:
    def grown(name: str) -> int:
        return sum(max(0, getattr(now, name) - getattr(then, name)) for then, now in since)

    commands = _grown_buckets([(then.command, now.command) for then, now in since])
    deliveries = _grown_buckets([(then.delivery, now.delivery) for then, now in since])
    return Sample(
        minute,
        sessions["imap"],
        sessions["pop"],
        sessions["lmtp"],
        grown("logins"),
        grown("failures"),
        grown("deliveries"),
        grown("refusals"),
        sum(commands),
        _mean_ms(sum(max(0.0, now.command_s - then.command_s) for then, now in since), sum(commands)),
        _percentile_ms(commands),
        _mean_ms(sum(max(0.0, now.delivery_s - then.delivery_s) for then, now in since), sum(deliveries)),
    )


def _grown_buckets(pairs: Sequence[tuple[list[int], list[int]]]) -> list[int]:
    most = max((len(now) for _, now in pairs), default=0)
    total = [0] * most
    for then, now in pairs:
        for place, (before, after) in enumerate(zip(then, now)):
            total[place] += max(0, after - before)
    return total


def _mean_ms(seconds: float, count: int) -> float:
    return round(seconds * 1000 / count, 3) if count else 0.0


def _percentile_ms(buckets: Sequence[int]) -> float:
    """The bound of the bucket that the percentile falls into; of the last one, which has none, that of the one before
    it."""
    wanted, seen = sum(buckets) * _PERCENTILE, 0
    for bound, count in zip((*BOUNDS_S, BOUNDS_S[-1]), buckets):
        seen += count
        if count and seen >= wanted:
            return bound * 1000
    return 0.0
