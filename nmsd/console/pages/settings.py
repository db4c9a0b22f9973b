"""Configuration > Other settings: whatever is under no service, by the headings of the configuration file."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, abort, request, url_for

from nmsd.config.setting import Setting
from nmsd.console import sheet
from nmsd.console.forms import wrong_with
from nmsd.console.pages.services import placed
from nmsd.console.render import desk, page
from nmsd.console.sheet import Sheet

PAGE = Blueprint("settings", __name__)


@PAGE.get("/settings")
def show() -> Any:
    """The headings."""
    return page("settings.html", groups=[(title, key, settings) for key, (title, settings) in _groups().items()])


@PAGE.post("/settings/check")
def check() -> Any:
    """What is wrong with a value, for the script that tells it as one types; an empty secret stays as it is."""
    found = desk().settings().get(request.form.get("name", ""))
    if found is None:
        abort(404)
    value = request.form.get("value", "")
    return {"error": "" if found.secret and not value else wrong_with(found, value)}


@PAGE.get("/settings/<key>")
def edit(key: str) -> Any:
    """The form of one."""
    return sheet.show(_sheet(key))


@PAGE.post("/settings/<key>")
def save(key: str) -> Any:
    """Saves what was changed."""
    return sheet.save(_sheet(key))


def _groups() -> dict[str, tuple[str, list[Setting[Any]]]]:
    elsewhere = placed(desk())
    groups = {}
    for section in desk().sections:
        settings = [each for each in section.settings if each.name not in elsewhere]
        if settings:
            groups["-".join(re.findall(r"\w+", section.title.lower()))] = section.title, settings
    return groups


def _sheet(key: str) -> Sheet:
    groups = _groups()
    if key not in groups:
        abort(404)
    title, settings = groups[key]
    return Sheet(title, url_for("settings.edit", key=key), settings)
