"""What every operation has: its token and scope, its errors, its line in the log, its part of the description.

Security: an operation is carried out for a bearer token with one of its scopes and nothing else: no cookie counts, so
no other site can have a browser ask.  Wrong tokens are counted and held back by address, as failed logins are.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final, NoReturn, TypeVar

import gevent
from flask import g, request
from flask_smorest import Api, Blueprint
from marshmallow import Schema, fields
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized, default_exceptions

from nmsd.console.desk import Desk
from nmsd.console.render import desk
from nmsd.console.tokens import Token
from nmsd.server.settings import BAD_LOGIN_WAITING

F = TypeVar("F", bound=Callable[..., Any])

PREFIX: Final = "/api/v1"
_SCHEME: Final = "token"
_ALWAYS: Final = (401, 403, 429, 503)
_WORDS: Final = {
    401: "There is no such token, or it has expired.",
    403: "The token has none of the scopes that this needs.",
    404: "There is no such thing.",
    409: "It does not go together with what is there.",
    415: "The body is not of the type application/json.",
    412: "The settings have been changed since that version.",
    422: "What was sent cannot be taken; `message` and `errors` say why.",
    429: "Too many wrong tokens from this address.",
    503: "What this needs does not answer; `message` says what.",
}


class Problem(Schema):
    """What every error is told as."""

    code = fields.Integer(required=True)
    status = fields.String(required=True)
    message = fields.String(required=True)
    errors = fields.Dict()


class RestApi(Api):  # type: ignore[misc]
    """The description, and errors as JSON where they belong to the interface; `tell_page` tells others."""

    ERROR_SCHEMA = Problem

    def __init__(self, app: Any, tell_page: Callable[[HTTPException], Any]) -> None:
        self._tell_page = tell_page
        scheme = {"type": "http", "scheme": "bearer", "description": "A token that `nmsd token add` made."}
        super().__init__(
            app,
            spec_kwargs={
                "components": {"securitySchemes": {_SCHEME: scheme}},
                "info": {"description": "What the console's pages do, for programs."},
            },
        )

    def handle_http_exception(self, error: HTTPException) -> Any:
        """As flask-smorest's, for errors of the interface; with the headers that an error has, such as Allow."""
        if not request.path.startswith("/api/"):
            return self._tell_page(error)
        data = getattr(error, "data", {})
        errors = data.get("errors") or data.get("messages")
        told: dict[str, Any] = {"code": error.code, "status": error.name, "message": error.description or error.name}
        if errors:
            told["errors"] = errors
        response = error.get_response()
        response.data = json.dumps(told)
        response.content_type = "application/json"
        return response


def fail(code: int, message: str, errors: dict[str, Any] | None = None) -> NoReturn:
    """Ends the request with this error."""
    error = default_exceptions[code](message)
    error.data = {"errors": errors} if errors else {}  # type: ignore[attr-defined]
    raise error


def operation(
    blueprint: Blueprint,
    method: str,
    rule: str,
    *,
    scopes: Iterable[str],
    answer: Any = None,
    status: int = 200,
    query: Any = None,
    body: Any = None,
    headers: Any = None,
    errors: Iterable[int] = (),
) -> Callable[[F], F]:
    """Makes a function the operation `method` on `rule`, for tokens with one of the scopes.

    It is called with what `headers`, `query` and `body`, marshmallow schemas, make of the request, in this order, after
    the parts of the path; what it returns is written by `answer`.
    """
    allowed = frozenset(scopes)

    def decorate(function: F) -> F:
        work: Any = function
        for schema, location in ((body, "json"), (query, "query"), (headers, "headers")):
            if schema is not None:
                work = blueprint.arguments(schema, location=location)(work)
        work = blueprint.response(status, answer, description="Done.")(work)
        asked = (422, 400) if body or query or headers else ()
        for code in (*_ALWAYS, *errors, *asked, *((415,) if body else ())):
            words = _WORDS.get(code, "The request is malformed.")
            work = blueprint.alt_response(code, schema=Problem, description=words)(work)
        words = f"For tokens with the scope {' or '.join(sorted(allowed))}."
        work = blueprint.doc(security=[{_SCHEME: []}], description=words)(work)
        blueprint.route(rule, methods=[method])(_guarded(work, allowed, body is not None))
        return function

    return decorate


def _guarded(work: Any, scopes: frozenset[str], has_body: bool) -> Any:
    @wraps(work)
    def guarded(*arguments: Any, **parts: Any) -> Any:
        token = bearer(desk())
        if token is None:
            _unauthorized()
        if not token.scopes & scopes:
            fail(403, f"This needs a token with the scope {' or '.join(sorted(scopes))}.")
        g.user = f"token {token.name}"
        g.scopes = token.scopes
        g.audited = request.method not in ("GET", "HEAD")
        if has_body and not request.is_json:
            fail(415, "The body has to be JSON, with the content type application/json.")
        if has_body and not request.get_data():
            fail(400, "There is no body.")
        return work(*arguments, **parts)

    return guarded


def audit(response: Any) -> Any:
    """Logs what was changed, or tried to be, after the request."""
    if g.get("audited"):
        desk().log(
            "Notice",
            "General",
            f"{request.method} {request.path}",
            by=g.user,
            address=request.remote_addr,
            status=response.status_code,
        )
    return response


# Tokens

_held_back: Counter[str] = Counter()


def bearer(found: Desk) -> Token | None:
    """The token that the request shows, or None.  A wrong one is counted, and the answer held back like that to a
    wrong password; when too many wait already, the request ends with 429."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        return None
    now = time.time()
    token = found.tokens.find(text.strip(), now)
    if token is not None:
        found.tokens.use(token, now)
        return token
    address = request.remote_addr or ""
    if _held_back[address] >= found.config[BAD_LOGIN_WAITING]:
        fail(429, "Too many wrong tokens from this address; try again later.")
    throttle = found.back.addresses
    failures = throttle.failed(address)
    found.log("Notice", "Account", f"badlogin: [{address}] token", service="console", failures=failures)
    _held_back[address] += 1
    try:
        gevent.sleep(throttle.delay(failures))
    finally:
        _held_back[address] -= 1
        if not _held_back[address]:
            del _held_back[address]
    return None


def _unauthorized() -> NoReturn:
    words = "This needs a good token: Authorization: Bearer TOKEN."
    raise Unauthorized(words, www_authenticate=WWWAuthenticate("bearer"))
