"""Users: those of the embedded directory are added, changed and removed; those in LDAP are shown."""

from __future__ import annotations

from typing import Any, Final

from flask import g
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.console.render import desk
from nmsd.console.rest.operation import fail, operation
from nmsd.console.rest.words import Line
from nmsd.directory.api import User as DirectoryUser
from nmsd.directory.ldif_users import (
    MOST_PASSWORD,
    SERVICES,
    STATUSES,
    Changes,
    LdifUsers,
    NewUser,
    NoSuchUser,
    UserExists,
)
from nmsd.model.errors import AmbiguousEntry, DirectoryUnavailable, NmsdError

BLUEPRINT: Final = Blueprint("Users", __name__, description="Who is in the directory.")


class User(Schema):
    """A user."""

    login = fields.String(required=True)
    name = fields.String(required=True)
    mail = fields.String(required=True, metadata={"description": "the primary address, which is the account's name"})
    aliases = fields.List(fields.String(), required=True)
    status = fields.String(required=True)
    quota = fields.Integer(required=True, allow_none=True, metadata={"description": "bytes; null for no limit"})
    messages = fields.Integer(required=True, allow_none=True, metadata={"description": "null for no limit"})
    denied = fields.List(fields.String(), required=True, metadata={"description": "services denied to the user"})
    dn = fields.String(required=True)


class UserQuery(Schema):
    """Which users."""

    q = Line(load_default="", metadata={"description": "words in a name or address"})
    limit = fields.Integer(load_default=200, validate=validate.Range(1, 10_000))


_QUOTA: Final = {"description": "bytes, or with K, M, G; -1 for no limit; empty for the server's default"}


class UserNew(Schema):
    """A user to be added."""

    login = Line(required=True, least=1, most=255, metadata={"description": "with or without the domain"})
    password = Line(required=True, least=1, most=MOST_PASSWORD, load_only=True)
    name = Line(load_default="")
    mail = Line(load_default="", metadata={"description": "empty: the login name at the default domain"})
    aliases = fields.List(Line(), load_default=[], validate=validate.Length(max=100))
    quota = Line(load_default="", metadata=_QUOTA)


class UserChange(Schema):
    """What is to become of a user; what is not given stays."""

    name = Line()
    aliases = fields.List(Line(), validate=validate.Length(max=100))
    quota = Line(metadata=_QUOTA)
    status = fields.String(validate=validate.OneOf(STATUSES))
    denied = fields.List(fields.String(validate=validate.OneOf(SERVICES)), validate=validate.Length(max=len(SERVICES)))


class Password(Schema):
    """A new password."""

    password = Line(required=True, least=1, most=MOST_PASSWORD)


@operation(BLUEPRINT, "GET", "/users", scopes=["read", "users"], query=UserQuery, answer=User(many=True))
def users(query: dict[str, Any]) -> Any:
    """The users in the directory"""
    return [_facts(found) for found in desk().users(query["q"], query["limit"])]


@operation(BLUEPRINT, "POST", "/users", scopes=["users"], body=UserNew, answer=User, status=201, errors=[404, 409])
def add_user(body: dict[str, Any]) -> Any:
    """Add a user to the embedded directory"""
    _may_touch(body["login"], body["mail"], *body["aliases"])
    new = NewUser(body["login"], body["name"], body["mail"], body["aliases"], body["quota"])
    return _done("added", lambda editor: editor.add(new, lambda: body["password"]))


@operation(BLUEPRINT, "GET", "/users/<login>", scopes=["read", "users"], answer=User, errors=[404])
def user(login: str) -> Any:
    """One user, by login name or address"""
    editor = desk().back.users
    try:
        found = desk().back.directory.find(login) if editor is None else desk().offload(lambda: editor.find(login))
    except DirectoryUnavailable:
        raise
    except NmsdError as error:
        fail(404, str(error))
    if found is None:
        fail(404, "There is no such user.")
    return _facts(found)


@operation(BLUEPRINT, "PATCH", "/users/<login>", scopes=["users"], body=UserChange, answer=User, errors=[404, 409])
def change_user(body: dict[str, Any], login: str) -> Any:
    """Change a user of the embedded directory"""
    _may_touch(login, *body.get("aliases", ()))
    changes = Changes(
        full_name=body.get("name"),
        aliases=body.get("aliases"),
        quota=body.get("quota"),
        status=body.get("status"),
        denied=body.get("denied"),
    )
    return _done("changed", lambda editor: editor.change(login, changes))


@operation(BLUEPRINT, "PUT", "/users/<login>/password", scopes=["users"], body=Password, status=204, errors=[404])
def set_password(body: dict[str, Any], login: str) -> None:
    """Give a user of the embedded directory another password"""
    _may_touch(login)
    _done("has a new password", lambda editor: editor.set_password(login, lambda: body["password"]))


@operation(BLUEPRINT, "DELETE", "/users/<login>", scopes=["users"], status=204, errors=[404, 422])
def remove_user(login: str) -> None:
    """Remove a user from the embedded directory; the mail stays in the store"""
    _may_touch(login)
    _done("removed", lambda editor: editor.remove(login))


def _may_touch(login: str, *names: str) -> None:
    """Whoever cannot say who is an administrator becomes none by way of an administrator's entry, or his names."""
    if "settings" in g.scopes or desk().back.users is None:  # which nobody changes here
        return
    try:
        found = desk().back.directory.find(login)
    except AmbiguousEntry:
        found = None  # the work itself will tell
    given = {login, *names} if found is None else {login, *names, found.account, found.uid, *found.aliases}
    domain = desk().config[DEFAULT_DOMAIN]
    # He may log in by any of them, with the domain or without.
    every = {form for name in given for form in (name, name.partition("@")[0], f"{name}@{domain}")}
    if desk().is_admin(login, *every):
        fail(403, "That is an administrator: this needs a token with the scope settings as well.")


def _done(what: str, work: Any) -> Any:
    editor: LdifUsers | None = desk().back.users
    if editor is None:
        fail(404, "The users are in an LDAP directory; they are changed there.")
    try:
        found = desk().offload(lambda: work(editor))
    except NoSuchUser as error:
        fail(404, str(error))
    except UserExists as error:
        fail(409, str(error))
    except NmsdError as error:
        fail(422, str(error))
    desk().log("Notice", "Account", f"user {what}", by=g.user, user=found.account)
    return _facts(found)


def _facts(found: DirectoryUser) -> dict[str, Any]:
    return {
        "login": found.uid,
        "name": found.name,
        "mail": found.account,
        "aliases": list(found.aliases),
        "status": found.status,
        "quota": found.quota.size,
        "messages": found.quota.messages,
        "denied": sorted(found.denied_services),
        "dn": found.dn,
    }
