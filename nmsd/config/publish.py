"""What has to change in an entry for settings to have other values there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nmsd.config.entries import SETTING_ATTRIBUTE, Entries, Entry, Place, Value, locate
from nmsd.config.setting import Setting


@dataclass(frozen=True)
class Change:
    """One setting's change: the text it had, '' with `is_new`, and gets; and the values of attributes to that end."""

    name: str
    old: str
    new: str
    is_new: bool
    removed: tuple[tuple[str, str, tuple[str, ...]], ...]
    """(entry, attribute, values)."""
    dn: str
    attribute: str
    added: str


def base_entry(entries: Entries, place: Place) -> Entry | None:
    """The server's own or the shared entry itself, if it is there."""
    return next((entry for entry in entries.found if entry.place == place), None)


def plan(entries: Entries, place: Place, texts: Mapping[str, str], known: Mapping[str, Setting[Any]]) -> list[Change]:
    """How the entry comes to say this of settings.  One that stands in an attribute of Netscape's stays there."""
    standing: dict[str, list[Value]] = {}
    for value in locate(entries, known):
        if value.place == place:
            standing.setdefault(value.name, []).append(value)
    base = base_entry(entries, place)
    dn = entries.base(place) if base is None else base.dn
    found = []
    for name, text in texts.items():
        there = standing.get(name, [])
        if len(there) != 1 or not _is_same(known[name], there[0].text, text):
            found.append(_change(dn, name, text, there))
    return found


def edits(changes: list[Change]) -> dict[str, dict[str, tuple[list[str], list[str]]]]:
    """The changes by entry and attribute: the values taken out, and those put in."""
    found: dict[str, dict[str, tuple[list[str], list[str]]]] = {}

    def at(dn: str, attribute: str) -> tuple[list[str], list[str]]:
        return found.setdefault(dn, {}).setdefault(attribute, ([], []))

    for change in changes:
        for dn, attribute, values in change.removed:
            old = at(dn, attribute)[0]
            old += [value for value in values if value not in old]
        at(change.dn, change.attribute)[1].append(change.added)
    return found


def _change(base: str, name: str, text: str, there: list[Value]) -> Change:
    netscape = next((value for value in there if value.attribute != SETTING_ATTRIBUTE), None)
    return Change(
        name,
        there[0].text if there else "",
        text,
        not there,
        tuple((value.dn, value.attribute, value.raw) for value in there),
        base if netscape is None else netscape.dn,
        SETTING_ATTRIBUTE if netscape is None else netscape.attribute,
        f"{name}={text}" if netscape is None else text,
    )


def _is_same(setting: Setting[Any], one: str, other: str) -> bool:
    try:
        return bool(setting.kind.parse(one) == setting.kind.parse(other))
    except ValueError:
        return False
