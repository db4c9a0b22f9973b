"""Logging in and out."""

from __future__ import annotations

import secrets
import time
from typing import Any

from flask import Blueprint, g, redirect, request, session, url_for

from nmsd.console.desk import Desk
from nmsd.console.logouts import LONGEST_S
from nmsd.console.render import desk, page
from nmsd.model.errors import BadCredentials, DirectoryUnavailable, LoginRefused

PAGE = Blueprint("login", __name__)


def current(found: Desk) -> str | None:
    """Who is logged in by the cookie of the request, if it is good still."""
    user, since, login = session.get("user"), session.get("since", 0), session.get("login", "")
    if not user or not login or not 0 <= time.time() - since < LONGEST_S:
        return None
    if found.logouts.has(login, since) or not found.is_admin(*session.get("names", ())):
        return None
    return str(user) if found.visits.goes_on(login, since, user, request.remote_addr or "") else None


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
    _end()
    session.permanent = True
    session.update(
        user=user.account,
        names=[user.account, user.uid, login],
        login=secrets.token_urlsafe(16),
        since=time.time(),
        csrf=secrets.token_urlsafe(32),
    )
    return redirect(url_for("server.show"), 303)


@PAGE.post("/logout")
def leave() -> Any:
    """Ends the session: this cookie, and any copy of it, is worth nothing from now on."""
    _end()
    return redirect(url_for("login.show"), 303)


def _end() -> None:
    found, login, since = desk(), session.get("login", ""), session.get("since", 0.0)
    if current(found) is not None:
        found.logouts.add(login, since, time.time())
        found.visits.ended(login)
    session.clear()
