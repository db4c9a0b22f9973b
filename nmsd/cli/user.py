"""nmsd user: the users of the embedded directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.cli.user_cert import cert

if TYPE_CHECKING:
    from nmsd.directory.api import User
    from nmsd.directory.ldif_users import LdifUsers


@click.group()
def user() -> None:
    """Manage the users of the embedded directory.

    NAME is a login name, with or without the domain. Running servers see each change at once.
    """


_password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input (its first line)."
)


@user.command()
@click.argument("name")
@_password_option
@click.option("--name", "full_name", default="", help="The person's name.")
@click.option("--mail", default="", help="The primary address; NAME at the default domain, unless given.")
@click.option(
    "--alias", "aliases", multiple=True, help="A further address, or @DOMAIN for all of one. May be repeated."
)
@click.option("--quota", help="What the account may hold: bytes, or with K, M, G; -1 for no limit.")
@pass_instance
def add(
    instance: Instance,
    name: str,
    password_stdin: bool,
    full_name: str,
    mail: str,
    aliases: tuple[str, ...],
    quota: str | None,
) -> None:
    """Add a user."""
    from nmsd.directory.ldif_users import NewUser

    new = NewUser(name, full_name, mail, aliases, quota or "")
    added = _users(instance).add(new, lambda: _new_password(password_stdin))
    click.echo(f"added {added.uid}, mail for {added.account}")


@user.command()
@click.argument("name")
@_password_option
@pass_instance
def passwd(instance: Instance, name: str, password_stdin: bool) -> None:
    """Give a user a new password."""
    found = _users(instance).set_password(name, lambda: _new_password(password_stdin))
    click.echo(f"{found.uid} has a new password")


@user.command()
@click.argument("name")
@pass_instance
def remove(instance: Instance, name: str) -> None:
    """Remove a user from the directory; the mail stays in the store."""
    found = _users(instance).remove(name)
    click.echo(f"removed {found.uid}; the mail is still there, `nmsd account remove {found.account}` erases it")


@user.command("list")
@json_option
@pass_instance
def list_(instance: Instance, as_json: bool) -> None:
    """List the users."""
    users = _users(instance).users()
    if as_json:
        print_json([_described(found) for found in users])
    else:
        rows = [(found.uid, found.account, found.status, _quota_text(found), found.name) for found in users]
        print_table(("LOGIN", "MAIL", "STATUS", "QUOTA", "NAME"), rows)


@user.command()
@click.argument("name")
@json_option
@pass_instance
def show(instance: Instance, name: str, as_json: bool) -> None:
    """Show a user."""
    described = _described(_users(instance).find(name))
    if as_json:
        print_json(described)
        return
    for key, value in described.items():
        text = ", ".join(value) if isinstance(value, list) else "-" if value in (None, "") else str(value)
        click.echo(f"{key + ':':10} {text or '-'}")


user.add_command(cert)


def _described(found: User) -> dict[str, Any]:
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


def _quota_text(found: User) -> str:
    from nmsd.config import kinds

    return "-" if found.quota.size is None else kinds.size(0, 1 << 62).write(found.quota.size)


def _users(instance: Instance) -> LdifUsers:
    from nmsd.app import open_users

    return open_users(instance.config())


def _new_password(from_stdin: bool) -> str:
    """What is typed, or the first line of standard input."""
    from nmsd.directory.ldif_users import MOST_PASSWORD

    if from_stdin:
        return sys.stdin.readline(MOST_PASSWORD + 2).rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
