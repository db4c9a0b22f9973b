"""The event log: one line an event, in Netscape's format.

    [dd/Mmm/yyyy:hh:mm:ss +hhmm] host process[pid]: Category Level: text key=value key="quoted value"

Invariants: a line is one write to a descriptor opened for appending, so that processes may share a file; whatever a
client sends cannot end a line or look like a field of its own; an event that cannot be written is dropped and counted,
never raised.  A file that was renamed or grew past its size is left and a new one begun, at the next line.  No gevent.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time

# The system's own lock, even in a process that is patched later: native threads log too, and nothing under the lock
# gives way to another greenlet.
from _thread import allocate_lock
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final

from nmsd.config import kinds
from nmsd.config.services import HOSTNAME
from nmsd.config.setting import Config, Section, Setting

LEVELS: Final = (*("Nolog", "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Information", "Debug"),)
_RANKS: Final = {level: rank for rank, level in enumerate(LEVELS)}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_PLAIN: Final = re.compile(r"[^\s\"=\[\]\\]+")


@dataclass(frozen=True)
class LogSettings:
    """The settings `logfile.NAME.*` of one log file."""

    name: str
    level: Setting[str]
    max_size: Setting[int]
    max_files: Setting[int]


def _log_settings(name: str) -> LogSettings:
    prefix = f"logfile.{name}."
    return LogSettings(
        name,
        level=Setting(
            prefix + "loglevel",
            kinds.choice(*LEVELS),
            "Notice",
            f"The least grave events that log/{name}.log tells. Information adds a line for every session; Debug is for"
            " finding a fault; Nolog is silence.",
            label="Level of logging",
        ),
        max_size=Setting(
            prefix + "maxlogfilesize",
            kinds.size(4096, 1 << 40),
            20 << 20,
            f"At what size log/{name}.log is renamed and a new one begun. 20M opens in any editor.",
            label="Maximum log file size",
        ),
        max_files=Setting(
            prefix + "maxlogfiles",
            kinds.integer(1, 1000),
            10,
            f"How many files log/{name}.log is kept in, the present one among them; the oldest goes. Netscape kept 10.",
            label="Maximum number of log files",
        ),
    )


LOGS: Final = {name: _log_settings(name) for name in ("imap", "pop", "lmtp", "nmsd")}
SECTION: Final = Section(
    "Logs",
    tuple(setting for log in LOGS.values() for setting in (log.level, log.max_size, log.max_files)),
)


def clean(text: str) -> str:
    """`text` on one line: control characters, line separators, lone surrogates and backslashes as escapes."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if _PLAIN.fullmatch(text) and not _CONTROLS.search(text):
        return text
    return '"' + clean(text).replace('"', '\\"') + '"'


def stamp(seconds: float) -> str:
    """A moment in local time, as a log line begins: dd/Mmm/yyyy:hh:mm:ss +hhmm."""
    at = time.localtime(seconds)
    minutes = at.tm_gmtoff // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    return f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} {zone}"


class EventLog:
    """The log file of one process; called as wire.protocol.Log says.

    `echo` is a stream that gets every line as well.  `dropped` counts events that could not be written.
    """

    def __init__(
        self,
        path: str,
        process: str,
        *,
        host: str = "",
        level: str = "Notice",
        max_size: int = 20 << 20,
        max_files: int = 10,
        echo: IO[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dropped = 0
        self._path = path
        self._process = process
        self._host = host or socket.gethostname()
        self._echo = echo
        self._clock = clock
        self._fd = -1
        self._inode = 0
        self._lock = allocate_lock()
        self.adjust(level, max_size, max_files)

    def adjust(self, level: str, max_size: int, max_files: int) -> None:
        """Takes new settings at a reload."""
        self._rank = _RANKS[level]
        self._max_size = max_size
        self._max_files = max_files

    def enabled(self, level: str) -> bool:
        """Whether an event of this level is written: ask before an expensive Debug line."""
        return 0 < _RANKS[level] <= self._rank

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        """Writes one event."""
        if not self.enabled(level):
            return
        head = f"[{stamp(self._clock())}] {self._host} {self._process}[{os.getpid()}]: {category} {level}:"
        line = " ".join([head, clean(text), *(f"{name}={_value(value)}" for name, value in fields.items())]) + "\n"
        try:
            with self._lock:
                self._write(line.encode("utf-8", "backslashreplace"))
        except OSError:
            self.dropped += 1
        if self._echo is not None:
            try:
                self._echo.write(line)
                self._echo.flush()
            except (OSError, ValueError):
                self._echo = None  # the terminal is gone; the file goes on

    def reopen(self) -> None:
        """Lets go of the file; the next event opens the one that has the name then."""
        with self._lock:
            self._release()

    close = reopen

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            self._release()
        else:
            if there.st_size + len(line) > self._max_size and there.st_size > 0:
                self._rotate(len(line))
                self._release()
            elif there.st_ino != self._inode:
                self._release()
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._inode = os.fstat(self._fd).st_ino
            if os.geteuid() == 0:
                # Commands that run as the server's user log here, too.
                folder = os.stat(os.path.dirname(self._path))
                os.fchown(self._fd, folder.st_uid, folder.st_gid)
        os.write(self._fd, line)

    def _rotate(self, coming: int) -> None:
        """Renames NAME to NAME.1 and so on; of several processes that want to, the first does it."""
        lock = os.open(self._path + ".lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Smaller, or not there: another process has been faster, and nobody has written since.
            if not os.path.exists(self._path) or os.stat(self._path).st_size + coming <= self._max_size:
                return
            names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._max_files))]
            for older, newer in zip(reversed(names), reversed(names[:-1])):
                if os.path.exists(newer):
                    os.replace(newer, older)
            if len(names) == 1:
                os.unlink(self._path)
        finally:
            os.close(lock)


def open_log(config: Config, name: str, echo: IO[str] | None = None) -> EventLog:
    """The log file INSTANCE/log/NAME.log with its settings; a NAME without settings of its own shares nmsd's."""
    settings = LOGS.get(name, LOGS["nmsd"])
    return EventLog(
        os.path.join(config.instance, "log", settings.name + ".log"),
        name,
        host=config[HOSTNAME],
        level=config[settings.level],
        max_size=config[settings.max_size],
        max_files=config[settings.max_files],
        echo=echo,
    )
