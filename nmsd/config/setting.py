"""Setting, its kinds, and Config, the values in force."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from nmsd.config.problem import Problem

T = TypeVar("T")

_OWN_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

Reload = Literal["live", "worker", "restart"]
"""When a change takes effect: in running workers at reload, in workers started by a reload, or only at a restart."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A type of value: how it is read and written, and what is allowed, in words.

    `parse` takes the file's text (or list of texts) and raises ValueError saying what is wrong.  `spec` is the check in
    configobj's validation language.
    """

    parse: Callable[[Any], T]
    write: Callable[[T], str]
    allowed: str
    spec: str


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: Netscape's dotted name, its kind, its default and why one would change it.

    The help text's first sentence stands alone; the reason for the default follows it.
    """

    name: str
    kind: Kind[T]
    default: T
    help: str
    reload: Reload = "live"
    secret: bool = False
    label: str = ""
    """The console's label, where Netscape had one."""
    attribute: str = ""
    """Netscape's attribute for it in a server's entry, where there was one (config.entries tells the class)."""


@dataclass(frozen=True)
class Family(Generic[T]):
    """Settings of one kind, any number of them: `name` has NAME where each has a name of its own, of small letters,
    digits and hyphens."""

    name: str
    kind: Kind[T]
    help: str
    reload: Reload = "live"

    def setting(self, name: str, default: T) -> Setting[T]:
        """The one of this name."""
        return Setting(self.name.replace("NAME", name), self.kind, default, self.help, self.reload)

    def member(self, name: str) -> str:
        """What stands for NAME in a setting's name; '' if it is none of the family."""
        before, _, after = self.name.partition("NAME")
        own = name[len(before) : len(name) - len(after)]
        return own if name == before + own + after and _OWN_NAME.fullmatch(own) else ""


@dataclass(frozen=True)
class Section:
    """Settings that belong together, under one heading, with a check across them.

    `verify` yields (setting name, what is wrong and what to do) for values that are each right but not together, and a
    Problem for what is wrong with a file that a setting names.
    """

    title: str
    settings: tuple[Setting[Any], ...]
    verify: Callable[[Config], Iterable[tuple[str, str] | Problem]] = lambda config: ()
    families: tuple[Family[Any], ...] = ()


class Config:
    """The values in force: `config[SETTING]`, typed; what no source sets has its default.

    `instance` is the instance's directory, absolute.
    """

    def __init__(self, values: Mapping[str, Any], instance: str = "") -> None:
        self._values = dict(values)
        self.instance = instance

    def __getitem__(self, setting: Setting[T]) -> T:
        found: T = self._values.get(setting.name, setting.default)
        return found

    def family(self, family: Family[T]) -> dict[str, T]:
        """The values of those of a family that some source sets, by their own names."""
        found = {family.member(name): value for name, value in self._values.items()}
        return {own: value for own, value in sorted(found.items()) if own}

    def is_set(self, setting: Setting[Any]) -> bool:
        """Whether some source sets it (else it has its default)."""
        return setting.name in self._values

    def adopt(self, newer: Config) -> None:
        """Takes the values of `newer`, at a reload: all who hold this object see them from now on."""
        self._values = newer._values

    def path(self, setting: Setting[str]) -> str:
        """The value of a path setting; a relative one counts from the instance's directory."""
        return os.path.join(self.instance, self[setting])
