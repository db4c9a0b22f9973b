"""What tests of the embedded directory share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nmsd.config.setting import Config
from nmsd.directory.ldif import LdifDirectory
from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME

T = TypeVar("T")

CHEAP_HASHES = {ARGON2_MEMORY.name: 1 << 13, ARGON2_TIME.name: 1}


class CountingRuntime:
    """Runs what is offloaded at once, and counts it."""

    def __init__(self) -> None:
        self.offloaded = 0

    def offload(self, work: Callable[[], T]) -> T:
        """As in the contract."""
        self.offloaded += 1
        return work()


class Events:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        self.lines.append(f"{level}: {text}")


class Stand:
    """An LDIF directory in a file that the test rewrites."""

    def __init__(self, folder: Path, ldif: str, **values: Any) -> None:
        (folder / "etc").mkdir(parents=True, exist_ok=True)
        self.path = folder / "etc" / "directory.ldif"
        self.path.write_text(ldif)
        defaults = {"service.defaultdomain": "example.com", **CHEAP_HASHES}
        self.config = Config({**defaults, **values}, str(folder))
        self.runtime = CountingRuntime()
        self.events = Events()
        self.directory = LdifDirectory(self.config, self.runtime, self.events)

    def rewrite(self, ldif: str) -> None:
        """Replaces the file, as an editor does."""
        new = self.path.with_suffix(".new")
        new.write_text(ldif)
        os.replace(new, self.path)


def person(uid: str, *lines: str) -> str:
    """An entry for a user, with further lines."""
    return (
        "\n".join((f"dn: uid={uid},ou=People,dc=example,dc=com", "objectClass: person", f"uid: {uid}", *lines)) + "\n\n"
    )
