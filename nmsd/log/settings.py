"""The settings of log files, each with the same ones under its own name: `logfile.imap.loglevel` and so on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nmsd.config import kinds
from nmsd.config.setting import Config, Section, Setting

LEVELS: Final = (*("Nolog", "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Information", "Debug"),)

FORMAT: Final = Setting(
    "logfile.format",
    kinds.choice("text", "json"),
    "text",
    "How events are written: text is Netscape's line with key=value behind it, made for reading and grep; json is one"
    " JSON object a line, for programs that collect logs.",
)


@dataclass(frozen=True)
class LogSettings:
    """The settings `logfile.NAME.*` of one log file."""

    name: str
    level: Setting[str]
    max_size: Setting[int]
    max_files: Setting[int]
    max_total: Setting[int]
    rollover: Setting[int]
    expiry: Setting[int]
    min_free: Setting[int]

    def listed(self) -> tuple[Setting[int] | Setting[str], ...]:
        """All of them, in the order they are told in."""
        return (
            self.level,
            self.max_size,
            self.rollover,
            self.max_files,
            self.max_total,
            self.expiry,
            self.min_free,
        )


def _log_settings(name: str) -> LogSettings:
    prefix = f"logfile.{name}."
    return LogSettings(
        name,
        level=Setting(
            prefix + "loglevel",
            kinds.choice(*LEVELS),
            "Notice",
            f"The least grave events that log/{name}.log tells. Information adds lines for every login and session;"
            " Debug is for finding a fault; Nolog is silence.",
            label="Level of logging",
        ),
        max_size=Setting(
            prefix + "maxlogfilesize",
            kinds.size(4096, 1 << 40),
            20 << 20,
            f"At what size log/{name}.log is renamed and a new one begun. 20M opens in any editor.",
            label="Maximum log file size",
        ),
        rollover=Setting(
            prefix + "rollovertime",
            kinds.integer(0, 10 * 366 * 86_400, "seconds"),
            86_400,
            f"After what time log/{name}.log is renamed and a new one begun, whatever its size; 0: by size alone."
            " A day makes an event of last Tuesday easy to find.",
            label="Rollover time",
        ),
        max_files=Setting(
            prefix + "maxlogfiles",
            kinds.integer(1, 1000),
            10,
            f"How many files log/{name}.log is kept in, the present one among them; the oldest goes. Netscape kept 10.",
            label="Maximum number of log files",
        ),
        max_total=Setting(
            prefix + "maxlogsize",
            kinds.size(4096, 1 << 50),
            200 << 20,
            f"How much room all files of log/{name}.log may take together; the oldest go first. 200M are ten files of"
            " the usual greatest size.",
            label="Maximum size of all log files",
        ),
        expiry=Setting(
            prefix + "expirytime",
            kinds.integer(0, 100 * 366 * 86_400, "seconds"),
            604_800,
            f"How long after its last event a renamed file of log/{name}.log is deleted; 0: never for its age. It is"
            " personal data, and a week is enough to find a fault; keep it longer where rules ask for that.",
            label="Expiration time",
        ),
        min_free=Setting(
            prefix + "minfreediskspace",
            kinds.size(0, 1 << 50),
            5 << 20,
            f"How much of the disk is to stay free: with less, renamed files of log/{name}.log are deleted, the oldest"
            " first. 5M was Netscape's; more helps where mail is on the same disk.",
            label="Minimum free disk space",
        ),
    )


LOGS: Final = {name: _log_settings(name) for name in ("imap", "pop", "lmtp", "nmsd")}


def _verify(config: Config) -> Iterator[tuple[str, str]]:
    for log in LOGS.values():
        if config[log.max_total] < config[log.max_size]:
            yield log.max_total.name, f"less than {log.max_size.name}, the greatest size of one file; raise it"


SECTION: Final = Section("Logs", (FORMAT, *(setting for log in LOGS.values() for setting in log.listed())), _verify)


@dataclass(frozen=True)
class Limits:
    """The settings of one log as values: sizes in bytes, times in seconds; 0 switches `rollover_s`, `expiry_s` and
    `min_free` off."""

    level: str = "Notice"
    json: bool = False
    max_size: int = 20 << 20
    max_files: int = 10
    max_total: int = 200 << 20
    rollover_s: int = 0
    expiry_s: int = 0
    min_free: int = 0


def settings_of(name: str) -> LogSettings:
    """Those of the log that the process `name` writes; one without settings of its own shares nmsd's."""
    return LOGS.get(name, LOGS["nmsd"])


def limits(config: Config, name: str) -> Limits:
    """The values in force for the process `name`."""
    log = settings_of(name)
    return Limits(
        level=config[log.level],
        json=config[FORMAT] == "json",
        max_size=config[log.max_size],
        max_files=config[log.max_files],
        max_total=config[log.max_total],
        rollover_s=config[log.rollover],
        expiry_s=config[log.expiry],
        min_free=config[log.min_free],
    )
