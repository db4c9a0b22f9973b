"""Users: who is in the directory; those of the embedded one are added, changed and removed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, abort, flash, g, redirect, request, url_for

from nmsd.console.render import desk, page
from nmsd.directory.api import User
from nmsd.directory.ldif_users import SERVICES, STATUSES, Changes, LdifUsers, NewUser, NoSuchUser
from nmsd.model.errors import NmsdError

PAGE = Blueprint("users", __name__)
MOST: Final = 200  # shown at once; more are to be searched for


@PAGE.get("/users")
def show() -> Any:
    """The users with the words looked for in their names."""
    words = request.args.get("q", "").strip()
    found = desk().users(words, MOST + 1)
    editable = desk().back.users is not None
    return page("users.html", users=found[:MOST], more=len(found) > MOST, words=words, most=MOST, editable=editable)


@PAGE.get("/users/add")
def new() -> Any:
    """The form for another one."""
    _editor()
    return page("user_new.html", typed={}, error="")


@PAGE.post("/users/add")
def add() -> Any:
    """Adds one."""
    typed = request.form
    password = typed.get("password", "")
    if password != typed.get("again", ""):
        return _refused(typed, "The two passwords are not the same.")
    user = NewUser(
        typed.get("login", "").strip(),
        typed.get("name", ""),
        typed.get("mail", "").strip(),
        typed.get("aliases", "").split(),
        typed.get("quota", "").strip(),
    )
    if not user.name:
        return _refused(typed, "A user needs a login name.")
    editor = _editor()
    try:
        added = desk().offload(lambda: editor.add(user, lambda: password))
    except NmsdError as error:
        return _refused(typed, str(error))
    _tell("user added", added)
    flash(f"{added.uid} is added, mail for {added.account}.", "done")
    return redirect(url_for("users.edit", name=added.uid), 303)


@PAGE.get("/users/user")
def edit() -> Any:
    """One user: the form, or in LDAP what there is to see."""
    editor = desk().back.users
    name = request.args.get("name", "")
    if editor is None:
        found = desk().back.directory.find(name)
        if found is None:
            abort(404, "There is no such user.")
        return page("user.html", found=found, editable=False)
    return _form(_found(editor, name))


@PAGE.post("/users/user")
def change() -> Any:
    """Changes what was changed in the form."""
    editor = _editor()
    found = _found(editor, request.args.get("name", ""))
    typed = request.form
    changes = Changes(
        full_name=_other(typed.get("name"), found.name),
        aliases=None if "aliases" not in typed else typed["aliases"].split(),
        quota=_other(typed.get("quota"), desk().offload(lambda: editor.own_quota(found.uid))),
        status=_other(typed.get("status"), found.status),
        denied=typed.getlist("denied"),
    )
    try:
        changed = desk().offload(lambda: editor.change(found.uid, changes))
    except NmsdError as error:
        return _form(found, typed, str(error)), 422
    _tell("user changed", changed)
    flash(f"{changed.uid} is changed.", "done")
    return redirect(url_for("users.edit", name=changed.uid), 303)


@PAGE.post("/users/password")
def password() -> Any:
    """Gives a user another password."""
    editor = _editor()
    found = _found(editor, request.args.get("name", ""))
    given = request.form.get("password", "")
    if given != request.form.get("again", ""):
        return _form(found, error="The two passwords are not the same."), 422
    try:
        desk().offload(lambda: editor.set_password(found.uid, lambda: given))
    except NmsdError as error:
        return _form(found, error=str(error)), 422
    _tell("user has a new password", found)
    flash(f"{found.uid} has a new password.", "done")
    return redirect(url_for("users.edit", name=found.uid), 303)


@PAGE.get("/users/remove")
def ask() -> Any:
    """Asks whether it is meant."""
    return page("user_remove.html", found=_found(_editor(), request.args.get("name", "")))


@PAGE.post("/users/remove")
def remove() -> Any:
    """Removes a user; the mail stays."""
    editor = _editor()
    found = _found(editor, request.args.get("name", ""))
    desk().offload(lambda: editor.remove(found.uid))
    _tell("user removed", found)
    flash(f"{found.uid} is removed. The mail of {found.account} is still in the store.", "done")
    return redirect(url_for("users.show"), 303)


def _editor() -> LdifUsers:
    editor = desk().back.users
    if editor is None:
        abort(404, "The users are in an LDAP directory; they are changed there.")
    return editor


def _found(editor: LdifUsers, name: str) -> User:
    try:
        found: User = desk().offload(lambda: editor.find(name))
    except NoSuchUser:
        abort(404, "There is no such user.")
    return found


def _form(found: User, typed: Mapping[str, str] | None = None, error: str = "") -> str:
    editor = _editor()
    values = {
        "name": found.name,
        "aliases": "\n".join(found.aliases),
        "quota": desk().offload(lambda: editor.own_quota(found.uid)),
        "status": found.status,
    }
    denied = found.denied_services if typed is None else set(request.form.getlist("denied"))
    return page(
        "user.html",
        found=found,
        editable=True,
        typed={**values, **(typed or {})},
        denied=denied,
        error=error,
        statuses=list(dict.fromkeys((*STATUSES, found.status))),
        deniable=SERVICES,
    )


def _refused(typed: Mapping[str, str], error: str) -> Any:
    return page("user_new.html", typed=typed, error=error), 422


def _other(typed: str | None, there: str) -> str | None:
    """What was typed, if it is another."""
    return None if typed is None or typed.strip() == there else typed.strip()


def _tell(what: str, found: User) -> None:
    desk().log("Notice", "Account", f"{what} in the console", by=g.user, user=found.account)
