"""A sheet of settings: the form made from their declarations, shown, checked and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask import flash, g, redirect, request

from nmsd.config.edit import FileChanged
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Setting
from nmsd.console.forms import Field, make_field, take_form, with_problems
from nmsd.console.render import desk, page
from nmsd.model.errors import NmsdError

_CHANGED: Final = (
    "Somebody else has changed the settings since you opened this page; nothing was saved. The fields below are as you"
    " typed them: look at them again beside what is in force now, and save once more."
)


@dataclass(frozen=True)
class Sheet:
    """What is on it.  `tabs` are (address, words) with the sheet's own, `url`, among them; `shared` are the names of
    settings that are one for all services."""

    title: str
    url: str
    settings: Sequence[Setting[Any]]
    tabs: Sequence[tuple[str, str]] = ()
    shared: frozenset[str] = field(default_factory=frozenset)


def show(sheet: Sheet) -> Any:
    """The form with the values in force."""
    loaded = desk().read()
    return _form(sheet, [make_field(setting, loaded) for setting in sheet.settings])


def save(sheet: Sheet) -> Any:
    """Saves what was changed and reloads the server, or says what is wrong beside the field."""
    changes, fields = take_form(sheet.settings, desk().read(), request.form)
    if any(each.error for each in fields):
        return _form(sheet, fields, "Nothing was saved: please correct what is marked below."), 422
    version = request.form.get("version", "")
    if version != desk().version():
        return _form(sheet, fields, _CHANGED), 409
    if not changes:
        flash("Nothing was changed.", "note")
        return redirect(sheet.url, 303)
    try:
        late = desk().save(changes, version, g.user)
    except FileChanged:
        return _form(sheet, fields, _CHANGED), 409
    except ConfigError as error:
        fields, others = with_problems(fields, error.problems)
        return _form(sheet, fields, "Nothing was saved: the server refuses these settings.", others), 422
    except NmsdError as error:
        return _form(sheet, fields, f"Nothing was saved: {error}"), 503
    for setting in sheet.settings:
        if setting.name in changes:
            when = "at the next restart of the server" if setting.name in late else _told(setting)
            value = "changed" if setting.secret else changes[setting.name] or "empty"
            flash(f"{setting.label or setting.name} is now {value}: {when}.", "done")
    return redirect(sheet.url, 303)


def _told(setting: Setting[Any]) -> str:
    new_only = setting.reload == "worker"
    return "in force for new sessions; those there are go on as they were" if new_only else "in force"


def _form(sheet: Sheet, fields: Sequence[Field], error: str = "", problems: Sequence[Problem] = ()) -> str:
    loaded = desk().read()
    known = desk().settings()
    return page(
        "sheet.html",
        sheet=sheet,
        fields=fields,
        in_force={each.name: make_field(known[each.name], loaded).text for each in fields},
        error=error,
        problems=problems,
        file_version=desk().version(),
    )
