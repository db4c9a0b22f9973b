"""Settings in entries of a directory: the server's own, the one it shares with others, and what is right below them.

A setting is a value `name=value` of nmsdSetting, whatever the setting: the schema stays as it is when settings are
added.  Those that Netscape had an attribute for (Setting.attribute) may also stand in that, where the entry has its
class: nsmsgMaxSessions in an entry with nsmsgCfgIMAP is service.imap.maxsessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from nmsd.config.directory import LOCAL
from nmsd.config.file import check_value, did_you_mean
from nmsd.config.problem import Problem
from nmsd.config.setting import Setting

Place = Literal["server entry", "shared entry"]
SERVER_ENTRY: Final[Place] = "server entry"
SHARED_ENTRY: Final[Place] = "shared entry"
PLACES: Final = (SHARED_ENTRY, SERVER_ENTRY)
"""Weakest first."""

SETTING_ATTRIBUTE: Final = "nmsdSetting"
SETTING_CLASS: Final = "nmsdConfig"
CLASSES: Final = {
    "service": "nsmsgCfgService",
    "service.imap": "nsmsgCfgIMAP",
    "service.pop": "nsmsgCfgPOP",
    "store": "nsmsgCfgStore",
}
"""Netscape's classes, by what comes before the last dot of a setting's name."""
CHILDREN: Final = ("imap", "pop", "service", "store")
"""The names (cn) of entries right below, of which each may hold a part."""


@dataclass(frozen=True)
class Entry:
    """An entry as it was found.  Attribute names are in lower case."""

    place: Place
    dn: str
    classes: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Entries:
    """What was found below the two names, `shared` being '' for none, and when (seconds since 1970)."""

    own: str
    shared: str
    time: float
    found: tuple[Entry, ...]

    def base(self, place: Place) -> str:
        """The name of the server's own or the shared entry."""
        return self.own if place == SERVER_ENTRY else self.shared


@dataclass(frozen=True)
class Value:
    """A setting in an entry: its text, and the attribute's values that say so."""

    name: str
    text: str
    place: Place
    dn: str
    attribute: str
    raw: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where it is, for problems."""
        return f"{self.dn}: {self.attribute}"


@dataclass
class EntryValues:
    """What entries set: by place, by name; what is wrong, and what is left out without being wrong."""

    values: dict[Place, dict[str, Value]] = field(default_factory=lambda: {place: {} for place in PLACES})
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


def attribute_class(setting: Setting[Any]) -> str:
    """Netscape's class for a setting's attribute; '' where there is none."""
    return CLASSES.get(setting.name.rpartition(".")[0], "") if setting.attribute else ""


def netscape_attributes(settings: Iterable[Setting[Any]]) -> dict[str, tuple[str, ...]]:
    """Netscape's attributes that are known here, by class."""
    found: dict[str, list[str]] = {name: [] for name in CLASSES.values()}
    for setting in settings:
        if attribute_class(setting):
            found[attribute_class(setting)].append(setting.attribute)
    return {name: tuple(attributes) for name, attributes in found.items()}


def asked_attributes(settings: Iterable[Setting[Any]]) -> tuple[str, ...]:
    """What is asked for of each entry."""
    names = [name for attributes in netscape_attributes(settings).values() for name in attributes]
    return ("objectClass", SETTING_ATTRIBUTE, *dict.fromkeys(names))


def locate(entries: Entries, known: Mapping[str, Setting[Any]]) -> Iterator[Value]:
    """Every setting in them, right or wrong; one that cannot be told has the name ''."""
    for entry in entries.found:
        for raw in entry.attributes.get(SETTING_ATTRIBUTE.lower(), ()):
            name, equals, text = raw.partition("=")
            if equals:
                yield Value(name.strip().lower(), text.strip(), entry.place, entry.dn, SETTING_ATTRIBUTE, (raw,))
            else:
                yield Value("", raw, entry.place, entry.dn, SETTING_ATTRIBUTE, (raw,))
        classes = {name.lower() for name in entry.classes}
        for setting in known.values():
            raws = entry.attributes.get(setting.attribute.lower(), ()) if setting.attribute else ()
            if raws and attribute_class(setting).lower() in classes:
                texts = (", ".join(raws),) if is_list(setting) else raws
                for text in texts:
                    yield Value(setting.name, text.strip(), entry.place, entry.dn, setting.attribute, raws)


def is_list(setting: Setting[Any]) -> bool:
    """Whether several values of an attribute are one value of the setting."""
    return setting.kind.spec == "force_list"


def interpret(entries: Entries, known: Mapping[str, Setting[Any]]) -> EntryValues:
    """What the entries set, each value checked by itself; all that is wrong is told."""
    found = EntryValues()
    for value in locate(entries, known):
        setting = known.get(value.name)
        values = found.values[value.place]
        if not value.name:
            mend = "write `name=value`, with the setting's whole dotted name"
            found.problems.append(Problem(f"not a setting: {value.text[:60]}", mend, value.source))
        elif setting is None:
            _add_unknown(found, value, known)
        elif value.name in LOCAL:
            mend = "take it out, and set it in the file"
            what = "leads to the directory, so it cannot be in it"
            found.problems.append(Problem(what, mend, value.source, name=value.name))
        elif value.name in values:
            what = f"is set twice, also in {values[value.name].source}"
            found.problems.append(Problem(what, "keep one of the two", value.source, name=value.name))
        else:
            problem = check_value(setting, value.text, value.source)
            if problem is None:
                values[value.name] = value
            else:
                found.problems.append(problem)
    return found


def _add_unknown(found: EntryValues, value: Value, known: Mapping[str, Setting[Any]]) -> None:
    """In the server's own entry a slip; in a shared one it may be a setting of a later version."""
    mend = did_you_mean(value.name, known)
    if value.place == SERVER_ENTRY:
        found.problems.append(Problem("there is no such setting", mend, value.source, name=value.name))
    else:
        what = "there is no such setting here, it is left out"
        found.notes.append(Problem(what, mend, value.source, name=value.name))
