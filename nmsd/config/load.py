"""Where the values come from: command line, environment, the file, the server's entry in the directory, the entry it
shares with others, the default; strongest first.

Nothing here speaks to a directory: the entries are given, or those of the local copy.

`read` never raises over what is written in them: everything wrong is in `Loaded.problems`, all at once.  `load` raises.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nmsd.config.directory import HOSTS
from nmsd.config.entries import PLACES, Entries, interpret
from nmsd.config.file import check_value, did_you_mean, known_settings, read_file
from nmsd.config.local_copy import read_copy
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Config, Section, Setting

ENVIRONMENT: Final = "environment"
COMMAND_LINE: Final = "command line"
DEFAULT: Final = "default"


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: a file and line, or the source's name with line 0; `place` is the kind of entry it is
    from, '' for what is not from the directory."""

    source: str
    line: int = 0
    place: str = ""

    def __str__(self) -> str:
        if self.place:
            return f"{self.place} {self.source.partition(': ')[0]}"
        return f"{self.source}:{self.line}" if self.line else self.source

    @property
    def beats_file(self) -> bool:
        """Whether it is stronger than the file, so that a change of that would change nothing."""
        return self.source in (ENVIRONMENT, COMMAND_LINE)

    @property
    def note(self) -> str:
        """What a form tells of a value from the directory, '' for others."""
        return f"from the {self}; a value saved here holds for this server, and is stronger" if self.place else ""


@dataclass(frozen=True)
class Loaded:
    """The values in force, where each comes from (by name; what is not there is a default), and what is wrong.

    `entries` are those of the directory that were used: None if none is configured, or it was never read.  `notes` tell
    what is odd about them but not wrong.
    """

    config: Config
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]
    entries: Entries | None = None
    notes: tuple[Problem, ...] = ()

    @property
    def lacks_entries(self) -> bool:
        """Whether there should be settings from the directory, and are none."""
        return bool(self.config[HOSTS]) and self.entries is None


def config_path(instance: str) -> str:
    """The configuration file of an instance."""
    return os.path.join(instance, "etc", "nmsd.conf")


def variable_name(setting: Setting[Any]) -> str:
    """The environment variable that sets a setting: NMSD_SERVICE_IMAP_PORT."""
    return "NMSD_" + setting.name.upper().replace(".", "_")


def read(
    instance: str,
    sections: Sequence[Section],
    *,
    environ: Mapping[str, str],
    overrides: Sequence[str] = (),
    entries: Entries | None = None,
) -> Loaded:
    """All sources of the instance in this directory.  `overrides` are the command line's `name=value`; `entries` those
    of the directory, without which the local copy is used, if the settings name a directory at all."""
    instance = os.path.abspath(instance)
    known = known_settings(sections)
    path = config_path(instance)
    file = read_file(path, sections)
    problems = sorted(file.problems, key=lambda problem: problem.line)
    texts = dict(file.texts)
    origins = {name: Origin(path, file.lines.get(name, 0)) for name in texts}
    for name, text in _from_environment(known, environ, problems).items():
        texts[name], origins[name] = text, Origin(ENVIRONMENT)
    for name, text in _from_command_line(known, overrides, problems).items():
        texts[name], origins[name] = text, Origin(COMMAND_LINE)
    notes: list[Problem] = []
    entries = _from_entries(known, Config(_parse(known, texts), instance), entries, texts, origins, problems, notes)
    config = Config(_parse(known, texts), instance)
    wrong = {problem.name for problem in problems}
    for section in sections:
        for found in section.verify(config):
            if isinstance(found, Problem):
                problems.append(found)
            elif found[0] not in wrong:
                problems.append(problem_of(config, known[found[0]], origins, found[1]))
    return Loaded(config, origins, tuple(problems), entries, tuple(notes))


def load(
    instance: str,
    sections: Sequence[Section],
    *,
    environ: Mapping[str, str],
    overrides: Sequence[str] = (),
) -> Loaded:
    """As `read`, but raises ConfigError when anything is wrong."""
    loaded = read(instance, sections, environ=environ, overrides=overrides)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def lacking(loaded: Loaded, why: str) -> Problem:
    """The problem of settings that are in the directory, which could not be asked, and not here."""
    mend = f"bring the directory back, or start with the file alone: `nmsd config unset {HOSTS.name}`"
    told = f"the settings there cannot be had, and there is no copy ({why}); {mend}"
    return replace(problem_of(loaded.config, HOSTS, loaded.origins, told), allowed="")


def copied(why: str) -> Problem:
    """What is to be told while the copy stands for a directory that could not be asked."""
    what = f"the directory cannot be asked, a copy of its settings is used ({why})"
    return Problem(what, "bring it back, or wait for it", name=HOSTS.name)


def problem_of(config: Config, setting: Setting[Any], origins: Mapping[str, Origin], told: str) -> Problem:
    """The problem of a value that is right by itself; `told` is what is wrong and, after "; ", the mend."""
    what, _, mend = told.rpartition("; ")
    origin = origins.get(setting.name, Origin(config_path(config.instance)))
    value = "(secret)" if setting.secret else setting.kind.write(config[setting])
    if setting.name not in origins:
        value += " (the default)"
    return Problem(what, mend, origin.source, origin.line, setting.name, value, setting.kind.allowed)


def _from_environment(
    known: Mapping[str, Setting[Any]], environ: Mapping[str, str], problems: list[Problem]
) -> dict[str, str]:
    variables = {variable_name(setting): setting for setting in known.values()}
    # Variables such as NMSD_INSTANCE are no settings; what begins like a family of settings is meant to be one.
    families = tuple({"_".join(name.split("_")[:2]) + "_" for name in variables})
    found = {}
    for variable, text in environ.items():
        setting = variables.get(variable)
        if setting is not None:
            problem = check_value(setting, text, f"{ENVIRONMENT} {variable}")
            if problem is None:
                found[setting.name] = text
            else:
                problems.append(problem)
        elif variable.startswith(families):
            mend = did_you_mean(variable, variables)
            problems.append(Problem("there is no such setting", mend, ENVIRONMENT, name=variable))
    return found


def _from_command_line(
    known: Mapping[str, Setting[Any]], overrides: Sequence[str], problems: list[Problem]
) -> dict[str, str]:
    found = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        name = name.strip()
        setting = known.get(name)
        if not equals:
            problems.append(Problem("has no value", "write -o name=value", COMMAND_LINE, name=name))
        elif setting is None:
            problems.append(Problem("there is no such setting", did_you_mean(name, known), COMMAND_LINE, name=name))
        else:
            problem = check_value(setting, text.strip(), COMMAND_LINE)
            if problem is None:
                found[name] = text.strip()
            else:
                problems.append(problem)
    return found


def _parse(known: Mapping[str, Setting[Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    return {name: known[name].kind.parse(text) for name, text in texts.items()}


def _from_entries(
    known: Mapping[str, Setting[Any]],
    local: Config,
    entries: Entries | None,
    texts: dict[str, str],
    origins: dict[str, Origin],
    problems: list[Problem],
    notes: list[Problem],
) -> Entries | None:
    """Adds what the entries say to what stronger sources leave open; gives the entries, if there are any."""
    if not local[HOSTS]:
        return None
    entries = entries or read_copy(local)
    if entries is None:
        return None
    found = interpret(entries, known)
    problems += found.problems
    notes += found.notes
    for place in reversed(PLACES):
        for name, value in found.values[place].items():
            if name not in texts:
                texts[name], origins[name] = value.text, Origin(value.source, place=place)
    return entries


def write_snapshot(path: str, loaded: Loaded, sections: Sequence[Section]) -> None:
    """Writes the values in force for the workers to read, mode 0600: they hold secrets."""
    known = known_settings(sections)
    values = {name: known[name].kind.write(loaded.config[known[name]]) for name in loaded.origins}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"instance": loaded.config.instance, "values": values}, file)


def read_snapshot(path: str, sections: Sequence[Section]) -> Config:
    """The values that the supervisor wrote.  Raises OSError, ValueError."""
    known = known_settings(sections)
    with open(path, encoding="utf-8") as file:
        snapshot = json.load(file)
    values = {name: known[name].kind.parse(text) for name, text in snapshot["values"].items() if name in known}
    return Config(values, snapshot["instance"])
