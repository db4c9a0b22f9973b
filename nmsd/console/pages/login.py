"""Logging in and out."""

from __future__ import annotations

import secrets
import time
from typing import Any

from flask import Blueprint, g, redirect, request, session, url_for

from nmsd.console.render import desk, page
from nmsd.model.errors import BadCredentials, DirectoryUnavailable, LoginRefused

PAGE = Blueprint("login", __name__)


@PAGE.get("/login")
def show() -> Any:
    """The form."""
    if g.user:
        return redirect(url_for("server.show"))
    return page("login.html", login="", error="")


@PAGE.post("/login")
def enter() -> Any:
    """Lets an administrator in; failures are held back by the gate as those of every service."""
    login, password = request.form.get("login", "").strip(), request.form.get("password", "")
    try:
        user = desk().log_in(login, password, request.remote_addr or "") if login and password else None
    except (BadCredentials, LoginRefused):
        user = None
    except DirectoryUnavailable as error:
        return page("login.html", login=login, error=str(error)), 503
    if user is None:
        wrong = "Wrong name or password, or not an administrator of this server."
        return page("login.html", login=login, error=wrong), 403
    session.clear()
    session.permanent = True
    session.update(
        user=user.account, names=[user.account, user.uid, login], since=time.time(), csrf=secrets.token_urlsafe(32)
    )
    return redirect(url_for("server.show"), 303)


@PAGE.post("/logout")
def leave() -> Any:
    """Ends the session."""
    session.clear()
    return redirect(url_for("login.show"), 303)
