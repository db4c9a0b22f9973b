"""The server as a whole: its services, which are turned on and off here, and workers against their limits."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, abort, flash, g, redirect, url_for

from nmsd.config.problem import ConfigError
from nmsd.config.services import MAIL_SERVICES
from nmsd.console.render import desk, page
from nmsd.model.errors import NmsdError

PAGE = Blueprint("server", __name__)
_DONE: Final = {
    "start": "turned on",
    "stop": "turned off until it is turned on again or the server is restarted",
    "restart": "started anew",
}


@PAGE.get("/")
def start() -> Any:
    """Where one comes in."""
    return redirect(url_for("server.show"))


@PAGE.get("/server")
def show() -> Any:
    """Services and workers."""
    return page("server.html", **_facts())


@PAGE.get("/server/live")
def live() -> Any:
    """Only what changes, for the script."""
    return page("server_live.html", **_facts())


@PAGE.post("/server/<service>/<command>")
def switch(service: str, command: str) -> Any:
    """Turns a mail service on or off, or starts it anew; its settings stay as they are."""
    if command not in _DONE or service not in {each.name for each in MAIL_SERVICES}:
        abort(404)
    try:
        desk().switch(command, service, g.user)
    except (ConfigError, NmsdError) as error:
        flash(f"{service.upper()}: {error}", "error")
    else:
        flash(f"{service.upper()} is {_DONE[command]}.", "done")
    return redirect(url_for("server.show"), 303)


def _facts() -> dict[str, Any]:
    status = desk().status()
    switched = {each.name: desk().config[each.enable] for each in MAIL_SERVICES}
    return {"status": status, "switched": switched}
