"""The web application: its pages, and what is true for each of them.

Security: every page but the login and the metrics wants an administrator's session, which ends with the logout for
every copy of its cookie; every POST wants the session's token; cookies are signed, for this host and TLS only, out of
reach of scripts and not sent from other sites; pages may load nothing but our own style and script, and nobody may
frame them.  Templates escape whatever they show.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from functools import partial
from typing import Any, Final

from flask import Flask, abort, g, redirect, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from nmsd import VERSION
from nmsd.config.services import CONSOLE, host_name
from nmsd.console.desk import Desk
from nmsd.console.pages import (
    charts,
    directory,
    explain,
    login,
    logs,
    mailboxes,
    metrics,
    server,
    services,
    sessions,
    settings,
    users,
)
from nmsd.console.render import page
from nmsd.console.rest import mail as rest_mail
from nmsd.console.rest import server as rest_server
from nmsd.console.rest import settings as rest_settings
from nmsd.console.rest import users as rest_users
from nmsd.console.rest.operation import PREFIX, RestApi, audit
from nmsd.model.errors import NmsdError

BODY_BYTES: Final = 1 << 16  # the longest form that is read
_PAGES: Final = (
    *(
        login.PAGE,
        server.PAGE,
        services.PAGE,
        settings.PAGE,
        users.PAGE,
        mailboxes.PAGE,
        directory.PAGE,
        explain.PAGE,
        sessions.PAGE,
    ),
    *(charts.PAGE, logs.PAGE, metrics.PAGE),
)
_REST: Final = (rest_server.BLUEPRINT, rest_settings.BLUEPRINT, rest_users.BLUEPRINT, rest_mail.BLUEPRINT)
_OPEN: Final = frozenset({"login.show", "login.enter", "metrics.show", "static"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(desk: Desk) -> Flask:
    """The WSGI application."""
    app = Flask("nmsd.console", static_folder="static", template_folder="templates")
    app.secret_key = desk.secret
    app.config.update(
        SESSION_COOKIE_NAME="__Host-nmsd",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=BODY_BYTES,
        API_TITLE="nmsd",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.before_request(partial(_admit, app, desk))
    app.after_request(_protect)
    app.after_request(audit)
    app.register_error_handler(NmsdError, _tell_trouble)
    app.context_processor(lambda: {"version": VERSION, "host": host_name(desk.config), "csrf": _token})
    for blueprint in _PAGES:
        app.register_blueprint(blueprint)
    api = RestApi(app, _tell_error)
    for blueprint in _REST:
        api.register_blueprint(blueprint, url_prefix=PREFIX)
    return app


def _token() -> str:
    """The session's token, which every form of it carries."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def _admit(app: Flask, desk: Desk) -> Response | None:
    g.desk = desk
    g.user = None
    # The life of the cookie follows the setting as it is now.
    app.permanent_session_lifetime = timedelta(minutes=desk.config[CONSOLE.idle_timeout])
    if request.endpoint in ("static", "metrics.show") or request.path.startswith("/api/"):
        return None  # neither knows cookies
    g.user = login.current(desk)
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_token()
    if g.user is None and request.endpoint not in _OPEN:
        if request.method != "GET":
            abort(403)
        return redirect(url_for("login.show"))
    return None


def _check_token() -> None:
    sent, own = request.form.get("csrf", ""), str(session.get("csrf", ""))
    if not own or not hmac.compare_digest(sent.encode(), own.encode()):
        abort(403, "This form is not of your session, or your session has ended. Go back, reload the page, try again.")


def _protect(response: Any) -> Any:
    for name, value in _HEADERS.items():
        response.headers[name] = value
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _tell_error(error: HTTPException) -> Any:
    return page("error.html", title=error.name, told=error.description), error.code


def _tell_trouble(error: NmsdError) -> Any:
    if request.path.startswith("/api/"):
        return {"code": 503, "status": "Service Unavailable", "message": str(error)}, 503
    return page("error.html", title="That did not work", told=str(error)), 503
