"""Counters of commands by name and outcome, kept by each service in a worker."""


class Tally:
    """How often each command ended in which way.  Not shared between threads: counted in the event loop's only.

    Names come from the tables of commands, never from the client, so there are only so many.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[bytes, dict[bytes, int]] = {}

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
