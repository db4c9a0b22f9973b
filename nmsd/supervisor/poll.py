"""Asks the directory from time to time whether the settings there have changed, where that is wanted."""

from __future__ import annotations

import selectors
from collections.abc import Callable

from nmsd.config.directory import POLL
from nmsd.log import EventLog
from nmsd.supervisor.refresh import Outcome, Refresh


class Poll:
    """`current` gives what is in force; `take` is given what has changed and is right."""

    def __init__(
        self,
        refresh: Refresh,
        log: EventLog,
        current: Callable[[], Outcome],
        take: Callable[[Outcome], None],
        now: float,
    ) -> None:
        self._refresh = refresh
        self._log = log
        self._current = current
        self._take = take
        self._last = now
        self._asking = False
        self._told = ""

    def turn(self, selector: selectors.BaseSelector, now: float) -> None:
        """Asks, if it is time to."""
        loaded = self._current().loaded
        seconds = loaded.config[POLL]
        if seconds and loaded.entries is not None and not self._asking and now - self._last >= seconds:
            self._last = now
            self._asking = True
            self._refresh.begin(selector, self._compare)

    def _compare(self, outcome: Outcome) -> None:
        self._asking = False
        before, after = self._current().loaded.entries, outcome.loaded.entries
        problems = "\n".join(str(problem) for problem in outcome.loaded.problems)
        if problems and problems != self._told:
            for problem in outcome.loaded.problems:
                self._log("Error", "General", "settings have changed, and cannot be taken", problem=problem)
        self._told = problems
        if not problems and not outcome.away and before and after and before.found != after.found:
            self._log("Notice", "General", "settings in the directory have changed")
            self._take(outcome)
