"""Sessions: who is connected, and disconnecting them."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, flash, g, redirect, request, url_for

from nmsd.console.render import desk, page

PAGE = Blueprint("sessions", __name__)
_WITH_MAILBOX: Final = ("selected ", "idle in ")
MOST: Final = 500  # shown at once; more are to be searched for


def _found(words: str) -> dict[str, Any]:
    wanted = words.lower()
    sessions, silent = desk().sessions()
    found = [
        described(session)
        for session in sessions
        if not wanted or any(wanted in str(session[name]).lower() for name in ("user", "address", "service", "id"))
    ]
    found.sort(key=lambda session: float(session["idle"]))
    return {"sessions": found[:MOST], "count": len(found), "words": words, "most": MOST, "silent": silent}


def described(session: dict[str, Any]) -> dict[str, Any]:
    """A session with its state in a word, and the mailbox that is open."""
    state = str(session["state"])
    for words in _WITH_MAILBOX:
        if state.startswith(words):
            return {**session, "state": words.split()[0], "mailbox": state.removeprefix(words)}
    return {**session, "mailbox": ""}


@PAGE.get("/sessions")
def show() -> Any:
    """The table."""
    return page("sessions.html", **_found(request.args.get("q", "").strip()))


@PAGE.get("/sessions/live")
def live() -> Any:
    """Only the table, for the script."""
    return page("sessions_live.html", **_found(request.args.get("q", "").strip()))


@PAGE.post("/sessions/disconnect")
def disconnect() -> Any:
    """Ends a session; its client is told."""
    session = request.form.get("id", "")
    if desk().kick(session, g.user):
        flash(f"Session {session} was disconnected.", "done")
    else:
        flash(f"There is no session {session} any more.", "note")
    return redirect(url_for("sessions.show", q=request.form.get("q") or None), 303)
