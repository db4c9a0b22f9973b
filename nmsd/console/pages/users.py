"""Users: who is in the directory."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from nmsd.console.render import desk, page

PAGE = Blueprint("users", __name__)
MOST: Final = 200  # shown at once; more are to be searched for


@PAGE.get("/users")
def show() -> Any:
    """The users with the words looked for in their names."""
    words = request.args.get("q", "").strip()
    found = desk().users(words, MOST + 1)
    return page("users.html", users=found[:MOST], more=len(found) > MOST, words=words, most=MOST)
