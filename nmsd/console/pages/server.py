"""The server as a whole: its services and workers against their limits."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, url_for

from nmsd.console.render import desk, page

PAGE = Blueprint("server", __name__)


@PAGE.get("/")
def start() -> Any:
    """Where one comes in."""
    return redirect(url_for("server.show"))


@PAGE.get("/server")
def show() -> Any:
    """Services and workers."""
    return page("server.html", status=desk().status())


@PAGE.get("/server/live")
def live() -> Any:
    """Only what changes, for the script."""
    return page("server_live.html", status=desk().status())
