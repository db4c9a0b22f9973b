"""Has the settings in the directory fetched before a start, reload or restart, by a process of their own.

The supervisor speaks no LDAP and waits for nobody: `nmsd config fetch` asks the directory and renews the local copy,
from which the configuration is then read.  Without a directory no process is started.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nmsd.config.directory import CONNECT_TIMEOUT, HOSTS, TIMEOUT
from nmsd.config.load import Loaded, lacking
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Config
from nmsd.log import EventLog

_OPERATIONS: Final = 5  # a bind, and two searches for each of two entries
_GRACE_S: Final = 10.0  # for the process itself


@dataclass(frozen=True)
class Outcome:
    """The configuration, its problems being also those of the fetch; `away` says why the directory could not be
    asked, if it could not."""

    loaded: Loaded
    away: str = ""

    def tell(self, log: EventLog) -> None:
        """Logs what an administrator should know of a directory whose settings are taken."""
        for note in self.loaded.notes:
            log("Warning", "General", "not all settings in the directory are taken", problem=note)
        if self.away and self.loaded.entries is not None:
            age = round(time.time() - self.loaded.entries.time)
            log(
                "Warning",
                "LDAP",
                "the directory cannot be asked, a copy of its settings is used",
                age_s=age,
                why=self.away,
            )

    def facts(self) -> dict[str, Any]:
        """For the status: when the settings in the directory were read, if some are in force, and why not later."""
        entries = self.loaded.entries
        return {} if entries is None else {"directory": {"read": round(entries.time), "away": self.away}}


Then = Callable[[Outcome], None]


class Refresh:
    """`load` reads the configuration anew (it never raises); `command` fetches, and prints JSON."""

    def __init__(self, load: Callable[[], Loaded], command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._load = load
        self._command = command
        self._environ = environ
        self._queue: list[tuple[selectors.BaseSelector, Then]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    def now(self) -> Outcome:
        """Waits for it.  Raises ConfigError for what the directory says or lacks."""
        loaded = self._load()
        if not loaded.config[HOSTS]:
            return Outcome(loaded)
        try:
            process = self._start()
            try:
                answer, fault = process.communicate(timeout=_patience(loaded.config))[0], ""
            except subprocess.TimeoutExpired:
                process.kill()
                answer, fault = process.communicate()[0], "it takes too long"
        except OSError as error:
            answer, fault = b"", str(error)
        outcome, refused = self._outcome(answer, fault)
        if refused:
            raise ConfigError(outcome.loaded.problems)
        return outcome

    def begin(self, selector: selectors.BaseSelector, then: Then) -> None:
        """Calls `then`, at once or when the process that `selector` listens to has ended; one after the other."""
        self._queue.append((selector, then))
        if len(self._queue) == 1:
            self._next()

    def check(self, now: float) -> None:
        """Ends a process that takes too long."""
        if self._process is not None and now >= self._deadline:
            self._process.kill()

    def close(self) -> None:
        """Ends what is under way; nobody is called any more."""
        self._queue.clear()
        if self._process is not None:
            self._process.kill()

    def _next(self) -> None:
        """Does what is first in the queue, and all after it that needs no process."""
        while self._queue:
            selector, then = self._queue[0]
            loaded = self._load()
            if loaded.config[HOSTS]:
                try:
                    self._listen(selector, then, loaded.config)
                    return
                except OSError as error:
                    outcome = self._outcome(b"", str(error))[0]
            else:
                outcome = Outcome(loaded)
            self._queue.pop(0)
            then(outcome)

    def _listen(self, selector: selectors.BaseSelector, then: Then, config: Config) -> None:
        process = self._process = self._start()
        self._deadline = time.monotonic() + _patience(config)
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        os.set_blocking(descriptor, False)
        answer = bytearray()

        def hear() -> None:
            try:
                data = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                return
            answer.extend(data)
            if data:
                return
            selector.unregister(descriptor)
            assert process.stdout is not None
            process.stdout.close()
            process.returncode = 0  # the loop reaps it
            self._process = None
            late = time.monotonic() >= self._deadline
            outcome = self._outcome(bytes(answer), "it takes too long" if late else "")[0]
            if self._queue:
                self._queue.pop(0)
                then(outcome)
                self._next()

        selector.register(descriptor, selectors.EVENT_READ, hear)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=dict(self._environ),
            process_group=0,
            umask=0o077,
        )

    def _outcome(self, answer: bytes, fault: str) -> tuple[Outcome, bool]:
        """What came of it, and whether the directory's settings cannot be taken."""
        loaded = self._load()
        try:
            told = json.loads(answer)
            problems = tuple(Problem(**problem) for problem in told["problems"])
            away = str(told["away"])
        except (ValueError, TypeError, KeyError):
            problems, away = (), fault or "the process that should ask it failed"
        if away and loaded.lacks_entries:
            problems = (*loaded.problems, lacking(loaded, away))
        refused = bool(problems)
        return Outcome(replace(loaded, problems=problems or loaded.problems), away), refused


def _patience(config: Config) -> float:
    """Seconds in which the directory has answered, or does not."""
    return len(config[HOSTS]) * (config[CONNECT_TIMEOUT] + _OPERATIONS * config[TIMEOUT]) + _GRACE_S
