"""Forms made from the declarations of settings: what a field shows, and what was typed into it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from nmsd.config.load import Loaded
from nmsd.config.problem import Problem
from nmsd.config.setting import Reload, Setting

_RANGE: Final = re.compile(r"integer\(min=(-?\d+), max=(\d+)\)")
_CHOICE: Final = re.compile(r"option\((.*)\)")


EFFECTS: Final[dict[Reload, str]] = {
    "live": "when saved",
    "worker": "when saved, for new sessions",
    "restart": "at the next restart of the server",
}
"""When a change made here takes effect, for saving is followed by a reload."""


@dataclass(frozen=True)
class Field:
    """One setting in a form.  `text` is what is in the field; `low` and `high` are a number's bounds, `choices` the
    words there are to choose from; `fixed` says what is stronger than the file, if anything is."""

    name: str
    label: str
    help: str
    allowed: str
    default: str
    effect: str
    text: str
    low: str = ""
    high: str = ""
    choices: tuple[str, ...] = ()
    secret: bool = False
    fixed: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        """The name as an identifier within the page."""
        return self.name.replace(".", "-")


def make_field(setting: Setting[Any], loaded: Loaded) -> Field:
    """The field with the value that the file, or what is stronger, has now."""
    kind = setting.kind
    value = loaded.config[setting]
    origin = loaded.origins.get(setting.name)
    stronger = origin is not None and origin.beats_file
    bounds = _RANGE.fullmatch(kind.spec)
    chosen = _CHOICE.fullmatch(kind.spec)
    choices: tuple[str, ...] = ("yes", "no") if kind.spec == "boolean" else ()
    return Field(
        setting.name,
        setting.label or setting.name,
        setting.help,
        kind.allowed,
        "" if setting.secret else str(kind.write(setting.default)),
        EFFECTS[setting.reload],
        "" if setting.secret else str(kind.write(value)),
        low=bounds[1] if bounds else "",
        high=bounds[2] if bounds else "",
        choices=tuple(re.findall(r'"([^"]*)"', chosen[1])) if chosen else choices,
        secret=setting.secret,
        fixed=str(origin) if stronger else "",
    )


def take_form(
    settings: Iterable[Setting[Any]], loaded: Loaded, typed: Mapping[str, str]
) -> tuple[dict[str, str | None], list[Field]]:
    """What changes, as text by name, and the fields with what was typed and what is wrong with it.

    A secret's empty field leaves it as it is; so does a name that was not sent.
    """
    changes: dict[str, str | None] = {}
    fields = []
    for setting in settings:
        field = make_field(setting, loaded)
        text = typed.get(setting.name)
        if text is not None and not field.fixed and not (setting.secret and not text):
            field = replace(field, text="" if setting.secret else text)
            field = replace(field, error=wrong_with(setting, text))
            if not field.error:
                value = setting.kind.parse(text)
                if value != loaded.config[setting]:
                    changes[setting.name] = str(setting.kind.write(value))
        fields.append(field)
    return changes, fields


def wrong_with(setting: Setting[Any], text: str) -> str:
    """What is wrong with a value by itself; '' for nothing."""
    try:
        setting.kind.parse(text)
    except ValueError as error:
        return f"{error}; allowed: {setting.kind.allowed}"
    return ""


def with_problems(fields: Iterable[Field], problems: Iterable[Problem]) -> tuple[list[Field], list[Problem]]:
    """The fields with the problems of theirs beside them, and the problems that belong to no field."""
    found = list(fields)
    names = {field.name for field in found}
    told = list(problems)
    texts = {problem.name: f"{problem.what}; {problem.mend}" for problem in told}
    placed = [replace(field, error=texts.get(field.name, field.error)) for field in found]
    return placed, [problem for problem in told if problem.name not in names]
