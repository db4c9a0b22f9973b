"""All commands and extension items by name, joined from the explicit lists; and what is derived from them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final, TypeVar

from nmsd.imap.commands import COMMANDS
from nmsd.imap.extensions import EXTENSIONS
from nmsd.imap.registry import (
    Command,
    Extension,
    FetchItem,
    Modifier,
    ReturnOption,
    SearchKey,
    SelectParam,
    StatusItem,
    always,
)
from nmsd.imap.session import Session
from nmsd.imap.state import State

T = TypeVar("T")


class Tables:
    """Lookups by upper-case name.  Building it raises ValueError if two rows claim one name."""

    def __init__(self, commands: tuple[Command, ...], extensions: tuple[Extension, ...]) -> None:
        self.extensions = extensions
        self.commands: dict[bytes, Command] = {}
        self.enables: dict[bytes, int] = {}
        self.fetch_items: dict[bytes, FetchItem] = {}
        self.flag_items: list[FetchItem] = []
        self.fetch_modifiers: dict[bytes, Modifier] = {}
        self.store_modifiers: dict[bytes, Modifier] = {}
        self.search_keys: dict[bytes, SearchKey] = {}
        self.search_returns: dict[bytes, ReturnOption] = {}
        self.status_items: dict[bytes, StatusItem] = {}
        self.select_params: dict[bytes, SelectParam] = {}
        self._listed = {state: _runs(each for each in extensions if state in each.states) for state in State}
        for command in commands:
            _add(self.commands, command.name, command)
        for extension in extensions:
            for command in extension.commands:
                _add(self.commands, command.name, command)
            for name, bits in extension.enables:
                _add(self.enables, name, bits)
            for item in extension.fetch_items:
                _add(self.fetch_items, item.name, item)
                if item.with_flags:
                    self.flag_items.append(item)
            for modifier in extension.fetch_modifiers:
                _add(self.fetch_modifiers, modifier.name, modifier)
            for modifier in extension.store_modifiers:
                _add(self.store_modifiers, modifier.name, modifier)
            for key in extension.search_keys:
                _add(self.search_keys, key.name, key)
            for option in extension.search_returns:
                _add(self.search_returns, option.name, option)
            for status in extension.status_items:
                _add(self.status_items, status.name, status)
            for param in extension.select_params:
                _add(self.select_params, param.name, param)

    def capabilities(self, session: Session) -> bytes:
        """What CAPABILITY lists for this session now."""
        names: list[bytes] = []
        for run in self._listed[session.state]:
            if isinstance(run, bytes):
                names.append(run)
            elif run.when(session):
                names.extend(run.capabilities)
                if run.capability is not None:
                    text = run.capability(session)
                    if text:
                        names.append(text)
        return b" ".join(names)


def _runs(extensions: Iterable[Extension]) -> list[bytes | Extension]:
    """The extensions in order; of those that are always advertised, and alike, only the names, joined: each greeting
    and each login lists them."""
    runs: list[bytes | Extension] = []
    for is_fixed, group in groupby(extensions, lambda each: each.when is always and each.capability is None):
        if not is_fixed:
            runs.extend(group)
            continue
        names = [name for each in group for name in each.capabilities]
        if names:
            runs.append(b" ".join(names))
    return runs


def _add(table: dict[bytes, T], name: bytes, row: T) -> None:
    if name in table:
        raise ValueError(f"two rows are named {name.decode()}")
    table[name] = row


TABLES: Final = Tables(COMMANDS, EXTENSIONS)
