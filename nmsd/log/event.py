"""The event log of one process.

Invariants: an event that cannot be written is dropped and counted, never raised; telling one waits for nobody, in
whatever thread or greenlet, even if it befalls in the middle of another one.  No gevent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import IO, Any, Final

from nmsd.config.services import HOSTNAME
from nmsd.config.setting import Config
from nmsd.log.echo import Echo
from nmsd.log.file import LogFile, free_bytes
from nmsd.log.line import json_line, text_line
from nmsd.log.settings import LEVELS, Limits, limits, settings_of

_RANKS: Final = {level: rank for rank, level in enumerate(LEVELS)}


class EventLog:
    """The log file of one process; called as wire.protocol.Log says.

    `echo` is a stream that gets every line as well, as far as it takes them; `clock` gives seconds since the epoch,
    `free` the bytes free on a file's disk.  `dropped` counts events that could not be written.
    """

    def __init__(
        self,
        path: str,
        process: str,
        limits: Limits = Limits(),
        *,
        host: str = "",
        echo: IO[str] | None = None,
        clock: Callable[[], float] = time.time,
        free: Callable[[str], int] = free_bytes,
    ) -> None:
        self.dropped = 0
        self._process = process
        self._host = host or socket.gethostname()
        self._echo = Echo(echo) if echo is not None else None
        self._clock = clock
        self._file = LogFile(path, lambda: self._limits, clock, free)
        self.adjust(limits)

    def adjust(self, limits: Limits) -> None:
        """Takes new settings at a reload."""
        self._limits = limits
        self._rank = _RANKS[limits.level]

    def enabled(self, level: str) -> bool:
        """Whether an event of this level is written: ask before an expensive Debug line."""
        return 0 < _RANKS[level] <= self._rank

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        """Writes one event."""
        if not self.enabled(level):
            return
        write = json_line if self._limits.json else text_line
        line = write(self._clock(), self._host, self._process, os.getpid(), level, category, text, fields)
        try:
            self._file.write(line.encode("utf-8", "backslashreplace"))
        except OSError:
            self.dropped += 1
        if self._echo is not None:
            self._echo.write(line)

    def reopen(self) -> None:
        """Lets go of the file; the next event opens the one that has the name then."""
        self._file.reopen()


def open_log(config: Config, name: str, echo: IO[str] | None = None) -> EventLog:
    """The log file INSTANCE/log/NAME.log with its settings; a NAME without settings of its own shares nmsd's."""
    path = os.path.join(config.instance, "log", settings_of(name).name + ".log")
    return EventLog(path, name, limits(config, name), host=config[HOSTNAME], echo=echo)
