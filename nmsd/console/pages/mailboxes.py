"""Mailboxes: the store's accounts with what they hold, and the mailboxes of one."""

from __future__ import annotations

from typing import Any, Final

import gevent
from flask import Blueprint, abort, request

from nmsd.console.render import desk, page
from nmsd.model.errors import StoreError

PAGE = Blueprint("mailboxes", __name__)
PER_PAGE: Final = 50


@PAGE.get("/mailboxes")
def show() -> Any:
    """A page of accounts."""
    words = request.args.get("q", "").strip()
    names = desk().accounts(words)
    last = max(1, -(-len(names) // PER_PAGE))
    number = min(last, max(1, request.args.get("page", 1, int)))
    accounts = [account_facts(name) for name in names[(number - 1) * PER_PAGE : number * PER_PAGE]]
    return page("mailboxes.html", accounts=accounts, count=len(names), number=number, last=last, words=words)


@PAGE.get("/mailboxes/account")
def account() -> Any:
    """The mailboxes of one account."""
    name = request.args.get("name", "")
    try:
        found = desk().back.store.account(name)
    except StoreError:  # no name that an account can have
        abort(404, "There is no such account.")
    if not found.exists():
        abort(404, "There is no such account.")
    subscribed = set(found.subscriptions())
    return page("account.html", facts=account_facts(name), mailboxes=found.mailboxes(), subscribed=subscribed)


def account_facts(name: str) -> dict[str, Any]:
    """One account: `usage`, `quota`, `trouble`; what cannot be read is said and does not hide the others."""
    gevent.sleep(0)  # other requests have their turn
    facts: dict[str, Any] = {"name": name, "quota": desk().quota_of(name), "usage": None, "trouble": ""}
    try:
        facts["usage"] = desk().back.store.account(name).usage()
    except StoreError as error:
        facts["trouble"] = str(error)
    return facts
