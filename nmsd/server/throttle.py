"""Failed logins, counted for all workers on the board: a table of addresses, and one of logins.

The table is small and its cells are shared: of two names with one cell the one that fails more often keeps it, and two
workers that write at once may lose a failure.  What is counted is forgotten after some time without a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from nmsd.config.setting import Config
from nmsd.server.settings import BAD_LOGIN_DELAY, BAD_LOGIN_FORGET, BAD_LOGIN_FREE, BAD_LOGIN_MAX_DELAY

_COUNT_BITS = 16
_COUNT_MAX = (1 << _COUNT_BITS) - 1


class Throttle:
    """One table.  `cells` are words in pairs: a hash of the name; seconds and failures.

    `secret` is the key of the hash: with a known one, failures of a name made up for it could drive another out of the
    table.  `clock` is the system's monotonic one, which all workers share.
    """

    def __init__(self, cells: memoryview, secret: bytes, config: Config, clock: Callable[[], float]) -> None:
        self._cells = cells
        self._secret = secret
        self._config = config
        self._clock = clock

    def failures(self, name: str) -> int:
        """How many failures of this name are remembered."""
        at, key = self._find(name)
        return self._count(self._cells[at + 1]) if self._cells[at] == key else 0

    def failed(self, name: str) -> int:
        """Counts one more; returns how many there are."""
        at, key = self._find(name)
        word = self._cells[at + 1]
        there = self._count(word)
        if self._cells[at] == key:
            count = min(there + 1, _COUNT_MAX)
        elif there > 1:
            self._cells[at + 1] = word - 1  # another name's cell; it keeps it while it fails more often
            return 1
        else:
            count = 1
        self._cells[at] = key
        self._cells[at + 1] = self._seconds() << _COUNT_BITS | count
        return count

    def forgive(self, name: str) -> None:
        """Forgets its failures."""
        at, key = self._find(name)
        if self._cells[at] == key:
            self._cells[at + 1] = 0

    def delay(self, failures: int) -> float:
        """For how many seconds the answer to the last of so many failures is held back."""
        first = self._config[BAD_LOGIN_DELAY]
        beyond = failures - self._config[BAD_LOGIN_FREE]
        if beyond <= 0 or not first:
            return 0.0
        return float(min(first << min(beyond - 1, 16), self._config[BAD_LOGIN_MAX_DELAY]))

    def _count(self, word: int) -> int:
        if self._seconds() - (word >> _COUNT_BITS) > self._config[BAD_LOGIN_FORGET]:
            return 0
        return word & _COUNT_MAX

    def _seconds(self) -> int:
        return int(self._clock())

    def _find(self, name: str) -> tuple[int, int]:
        digest = blake2b(name.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=16).digest()
        pairs = len(self._cells) // 2
        return int.from_bytes(digest[:8], "little") % pairs * 2, int.from_bytes(digest[8:], "little")


def make_throttles(
    cells: memoryview, secret: bytes, config: Config, clock: Callable[[], float]
) -> tuple[Throttle, Throttle]:
    """The table of addresses and the table of logins, in the halves of `cells`: one login and one address that shared a
    cell would drive each other out."""
    half = len(cells) // 2
    return Throttle(cells[:half], secret, config, clock), Throttle(cells[half:], secret, config, clock)
