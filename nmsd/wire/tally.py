"""Counters of commands by name and outcome, and histograms of times, kept by each service in a worker.

Not shared between threads: counted in the event loop's only.
"""

from bisect import bisect_left
from typing import Any, Final

BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of a histogram's buckets, in seconds; a last bucket holds what took longer."""
_FIRST_S: Final = 0.0001


class Histogram:
    """How long things took: how many times fell into each bucket, and the sum of all."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: list[int] = [0] * (len(BOUNDS_S) + 1)
        self._total: float = 0.0

    def observe(self, seconds: float) -> None:
        """One more that took so long.  Clocks that were set back count as no time."""
        if seconds <= _FIRST_S:  # most do, and a search for the bucket would take longer than all the rest
            self._counts[0] += 1
            if seconds < 0.0:
                return
        else:
            self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._total += seconds

    def read(self) -> dict[str, Any]:
        """A copy: `bounds` of the buckets, `counts` of each by itself, and `sum`, in seconds."""
        return {"bounds": list(BOUNDS_S), "counts": list(self._counts), "sum": round(self._total, 6)}


class Tally:
    """How often each command ended in which way, and how long deliveries took.

    Names come from the tables of commands, never from the client, so there are only so many.
    """

    __slots__ = ("_counts", "delivered")

    def __init__(self) -> None:
        self._counts: dict[bytes, dict[bytes, int]] = {}
        self.delivered: Histogram = Histogram()
        """Of each message and recipient, from the end of the message until the store has it or has not."""

    def count(self, name: bytes, outcome: bytes) -> None:
        """One more command of this name with this outcome (OK, NO, BAD; OK, ERR; OK, 4xx, 5xx)."""
        try:
            self._counts[name][outcome] += 1
        except KeyError:
            self._counts.setdefault(name, {})[outcome] = 1

    def read(self) -> dict[str, dict[str, int]]:
        """A copy: by name, then by outcome."""
        return {
            name.decode("ascii"): {outcome.decode("ascii"): count for outcome, count in counts.items()}
            for name, counts in self._counts.items()
        }


UNKNOWN = b"UNKNOWN"
"""The name under which commands are counted that there are not."""
DELIVERY = b"DELIVERY"
"""The name under which LMTP counts what becomes of a message, once for each recipient."""
