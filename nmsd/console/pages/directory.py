"""Directory: where the users are, how the servers there are, a trial of them, and forgetting what was learnt."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, url_for

from nmsd.console.forms import make_field
from nmsd.console.render import desk, page

PAGE = Blueprint("directory", __name__)


@PAGE.get("/directory")
def show() -> Any:
    """What is set, and the state of the servers as each worker knows it."""
    return _page()


@PAGE.post("/directory/test")
def probe() -> Any:
    """Tries each server, as `nmsd directory test`."""
    return _page([(name, list(steps)) for name, steps in desk().back.probe()])


@PAGE.post("/directory/flush")
def flush() -> Any:
    """Has all workers forget what they learnt."""
    desk().flush(g.user)
    flash("What was learnt from the directory is forgotten: workers ask it anew from now on.", "done")
    return redirect(url_for("directory.show"), 303)


def _page(reports: Any = None) -> Any:
    found = desk()
    loaded = found.read()
    prefix = "local.ugldap" if found.back.users is None else "local.ugldif"
    shown = [make_field(each, loaded) for name, each in found.settings().items() if name.startswith(prefix)]
    good = reports is not None and all(step.good is not False for _, steps in reports for step in steps)
    kind = "ldap" if found.back.users is None else "embedded"
    return page("directory.html", kind=kind, fields=shown, states=found.links(), reports=reports, good=good)
