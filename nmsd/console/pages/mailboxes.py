"""Mailboxes: the store's accounts with what they hold, and the mailboxes of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import gevent
from flask import Blueprint, abort, request

from nmsd.console.render import desk, page
from nmsd.model.errors import StoreError

PAGE = Blueprint("mailboxes", __name__)
PER_PAGE: Final = 50

T = TypeVar("T")


@PAGE.get("/mailboxes")
def show() -> Any:
    """A page of accounts."""
    words = request.args.get("q", "").strip()
    names, pages = _page(desk().accounts(words))
    return page("mailboxes.html", accounts=[account_facts(name) for name in names], words=words, pages=pages)


@PAGE.get("/mailboxes/account")
def account() -> Any:
    """A page of the mailboxes of one account."""
    name = request.args.get("name", "")
    try:
        found = desk().back.store.account(name)
    except StoreError:  # no name that an account can have
        abort(404, "There is no such account.")
    if not found.exists():
        abort(404, "There is no such account.")
    subscribed = set(found.subscriptions())
    mailboxes, pages = _page(found.mailboxes())
    return page("account.html", facts=account_facts(name), mailboxes=mailboxes, subscribed=subscribed, pages=pages)


@dataclass(frozen=True)
class Pages:
    """How many things there are, on how many pages, and which this is."""

    count: int
    last: int
    number: int


def _page(things: Sequence[T]) -> tuple[Sequence[T], Pages]:
    """The part of them that the request asks for."""
    last = max(1, -(-len(things) // PER_PAGE))
    number = min(last, max(1, request.args.get("page", 1, int)))
    return things[(number - 1) * PER_PAGE : number * PER_PAGE], Pages(len(things), last, number)


def account_facts(name: str) -> dict[str, Any]:
    """One account: `usage`, `quota`, `trouble`; what cannot be read is said and does not hide the others."""
    gevent.sleep(0)  # other requests have their turn
    facts: dict[str, Any] = {"name": name, "quota": desk().quota_of(name), "usage": None, "trouble": ""}
    try:
        facts["usage"] = desk().back.store.account(name).usage()
    except StoreError as error:
        facts["trouble"] = str(error)
    return facts
