"""An LDAP back end in the test's own process, with the log it writes and a clock the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap import LdapDirectory
from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN

T = TypeVar("T")


class AtOnce:
    """Runs what is offloaded at once."""

    def offload(self, work: Callable[[], T]) -> T:
        """As in the contract."""
        return work()


class Events:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        self.lines.append(" ".join([f"{level}: {text}", *(f"{name}={value}" for name, value in fields.items())]))


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stand:
    """The back end, asking `hosts`; `values` are settings by name."""

    def __init__(self, folder: Path, *hosts: str, **values: Any) -> None:
        (folder / "run").mkdir(exist_ok=True)
        defaults = {
            "service.defaultdomain": "example.com",
            settings.HOSTS.name: hosts,
            settings.BASE.name: PEOPLE,
            settings.BIND_DN.name: SERVICE_DN,
            settings.BIND_CREDENTIALS.name: SECRET,
            settings.CONNECT_TIMEOUT.name: 2,
            settings.TIMEOUT.name: 2,
            ARGON2_MEMORY.name: 1 << 13,
            ARGON2_TIME.name: 1,
        }
        self.config = Config({**defaults, **values}, str(folder))
        self.folder = folder
        self.events = Events()
        self.clock = Clock()
        self.directory = LdapDirectory(self.config, AtOnce(), self.events, self.clock)

    def set(self, **values: Any) -> None:
        """Changes settings; `__` stands for the dot."""
        self.config.adopt(Config({**self.config._values, **{k.replace("__", "."): v for k, v in values.items()}}))
