"""Who is logged in to the console, as sessions that end when the directory says so (server.oust)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nmsd.console.logouts import LONGEST_S, Logouts
from nmsd.model.errors import DirectoryError
from nmsd.wire.protocol import Peer

MOST: Final = 1000


@dataclass(slots=True)
class Visit:
    """A login.  `login` is what its cookie knows it by, `since` when it was, in seconds since 1970."""

    login: str
    since: float
    account: str
    peer: Peer
    logouts: Logouts
    closed: bool = False

    @property
    def id(self) -> str:
        """What the log calls it: not enough for a cookie."""
        return f"console-{self.login[:6]}"

    def end(self, reason: str) -> None:
        """No cookie of this login is good any more."""
        self.closed = True
        self.logouts.add(self.login, self.since, time.time())


class Visits:
    """The logins that were seen lately, at most MOST.  `recall` is told the account of one that this worker does not
    know yet, whose cookie may be of another worker before it, and says whether there is that user still; it raises
    DirectoryError if it cannot know."""

    def __init__(self, logouts: Logouts, recall: Callable[[str], bool]) -> None:
        self._logouts = logouts
        self._recall = recall
        self._visits: dict[str, Visit] = {}

    def goes_on(self, login: str, since: float, account: str, address: str) -> bool:
        """Whether a login whose cookie is good may go on, as far as can be known; from now on it is watched."""
        if login in self._visits:
            return True
        try:
            if not self._recall(account):
                self._logouts.add(login, since, time.time())
                return False
        except DirectoryError:
            return True
        now = time.time()
        gone = [key for key, visit in self._visits.items() if visit.closed or now - visit.since >= LONGEST_S]
        for key in gone:
            del self._visits[key]
        while len(self._visits) >= MOST:  # the one longest here is looked up again with its next page
            del self._visits[next(iter(self._visits))]
        self._visits[login] = Visit(login, since, account, Peer(address, 0, "", 0), self._logouts)
        return True

    def ended(self, login: str) -> None:
        """Its user has logged out."""
        self._visits.pop(login, None)

    def sessions(self) -> list[Visit]:
        """Those that go on."""
        return [visit for visit in self._visits.values() if not visit.closed]
