"""Accounts and their mailboxes, the way of a login, and the directory as a whole."""

from __future__ import annotations

from dataclasses import asdict
from ipaddress import ip_address
from typing import Any, Final

from flask import g
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from nmsd.console.pages.explain import SERVICES
from nmsd.console.pages.mailboxes import account_facts
from nmsd.console.render import desk
from nmsd.console.rest.operation import fail, operation
from nmsd.console.rest.words import Line
from nmsd.model.errors import StoreError
from nmsd.store.api import Account as StoreAccount

BLUEPRINT: Final = Blueprint("Mail", __name__, description="Accounts, mailboxes, logins explained, the directory.")


class Account(Schema):
    """An account and what it holds."""

    name = fields.String(required=True)
    messages = fields.Integer(required=True, allow_none=True)
    size = fields.Integer(required=True, allow_none=True, metadata={"description": "bytes"})
    quota = fields.Integer(required=True, allow_none=True, metadata={"description": "bytes; null: none, or not known"})
    trouble = fields.String(required=True, metadata={"description": "why it cannot be read, or empty"})


class AccountQuery(Schema):
    """Which accounts."""

    q = Line(load_default="", metadata={"description": "words in the name"})
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, 500))


class AccountList(Schema):
    """A page of accounts."""

    count = fields.Integer(required=True, metadata={"description": "how many there are on all pages"})
    accounts = fields.List(fields.Nested(Account), required=True)


class Mailbox(Schema):
    """A mailbox and what it holds."""

    name = fields.String(required=True)
    messages = fields.Integer(required=True)
    unseen = fields.Integer(required=True)
    deleted = fields.Integer(required=True)
    size = fields.Integer(required=True, metadata={"description": "bytes"})
    special_use = fields.List(fields.String(), required=True)
    subscribed = fields.Boolean(required=True)


class Step(Schema):
    """One step; `good` is null where it is just a fact."""

    what = fields.String(required=True)
    good = fields.Boolean(required=True, allow_none=True)
    found = fields.String(required=True)
    seconds = fields.Float(required=True, allow_none=True)
    mend = fields.String(required=True, metadata={"description": "what to do about it, or empty"})


class LoginQuery(Schema):
    """Which login."""

    login = Line(required=True, least=1, most=255)
    service = fields.String(load_default="imap", validate=validate.OneOf(SERVICES))
    address = fields.IP(
        data_key="from", load_default=ip_address("127.0.0.1"), metadata={"description": "the client's address"}
    )


class Explained(Schema):
    """The steps, the last of which is the result."""

    admitted = fields.Boolean(required=True)
    steps = fields.List(fields.Nested(Step), required=True)


class Server(Schema):
    """The trial of one directory server."""

    server = fields.String(required=True)
    steps = fields.List(fields.Nested(Step), required=True)


class Link(Schema):
    """An LDAP server as one worker knows it."""

    worker = fields.String(required=True)
    server = fields.String(required=True)
    down = fields.Boolean(required=True, metadata={"description": "whether it is taken for down for now"})
    used = fields.Integer(required=True, metadata={"description": "connections in use"})
    idle = fields.Integer(required=True, metadata={"description": "connections that lie unused"})


class Directory(Schema):
    """Where the users are."""

    kind = fields.String(required=True, validate=validate.OneOf(["embedded", "ldap"]))
    links = fields.List(fields.Nested(Link), required=True)


class Trial(Schema):
    """The trial of the directory."""

    good = fields.Boolean(required=True)
    servers = fields.List(fields.Nested(Server), required=True)


@operation(BLUEPRINT, "GET", "/accounts", scopes=["read"], query=AccountQuery, answer=AccountList)
def accounts(query: dict[str, Any]) -> Any:
    """The store's accounts"""
    names = desk().accounts(query["q"])
    first = (query["page"] - 1) * query["per_page"]
    return {"count": len(names), "accounts": [_facts(name) for name in names[first : first + query["per_page"]]]}


@operation(BLUEPRINT, "GET", "/accounts/<name>", scopes=["read"], answer=Account, errors=[404])
def account(name: str) -> Any:
    """One account"""
    _account(name)
    return _facts(name)


@operation(BLUEPRINT, "GET", "/accounts/<name>/mailboxes", scopes=["read"], answer=Mailbox(many=True), errors=[404])
def mailboxes(name: str) -> Any:
    """The mailboxes of an account"""
    found = _account(name)
    subscribed = set(found.subscriptions())
    return [
        {
            "name": each.name,
            "messages": each.messages,
            "unseen": each.unseen,
            "deleted": each.deleted,
            "size": each.size,
            "special_use": list(each.special_use),
            "subscribed": each.name in subscribed,
        }
        for each in found.mailboxes()
    ]


@operation(BLUEPRINT, "GET", "/explain/login", scopes=["read"], query=LoginQuery, answer=Explained)
def explain(query: dict[str, Any]) -> Any:
    """The way of a login, step by step"""
    steps = desk().explain(query["login"], query["service"], str(query["address"]))
    return {"admitted": bool(steps) and steps[-1].good is True, "steps": [asdict(step) for step in steps]}


@operation(BLUEPRINT, "GET", "/directory", scopes=["read", "services"], answer=Directory)
def directory() -> Any:
    """Where the users are, and the connections there"""
    return {"kind": "ldap" if desk().back.users is None else "embedded", "links": desk().links()}


@operation(BLUEPRINT, "POST", "/directory/test", scopes=["services"], answer=Trial)
def test_directory() -> Any:
    """Try the directory's servers"""
    reports = list(desk().back.probe())
    good = all(step.good is not False for _, steps in reports for step in steps)
    servers = [{"server": name, "steps": [asdict(step) for step in steps]} for name, steps in reports]
    return {"good": good, "servers": servers}


@operation(BLUEPRINT, "POST", "/directory/flush", scopes=["services"], status=204)
def flush_directory() -> None:
    """Have all workers forget what they learnt from the directory"""
    desk().flush(g.user)


def _account(name: str) -> StoreAccount:
    try:
        found = desk().back.store.account(name)
    except StoreError:  # no name that an account can have
        fail(404, "There is no such account.")
    if not found.exists():
        fail(404, "There is no such account.")
    return found


def _facts(name: str) -> dict[str, Any]:
    facts = account_facts(name)
    usage, quota = facts["usage"], facts["quota"]
    return {
        "name": name,
        "messages": usage.messages if usage else None,
        "size": usage.size if usage else None,
        "quota": quota.size if quota else None,
        "trouble": facts["trouble"],
    }
