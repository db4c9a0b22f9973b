"""nmsd mailbox: the mailboxes of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.cli.store import opened_store
from nmsd.model.mailbox import SPECIAL_USES

if TYPE_CHECKING:
    from nmsd.model.mailbox import Mailbox

_ACCOUNT = click.argument("account_name", metavar="ACCOUNT")


@click.group()
def mailbox() -> None:
    """List, create, rename and delete mailboxes.

    ACCOUNT is an account's name, or a login or address of its user, with or without the domain. Levels of a mailbox's
    name are joined by "/".
    """


@mailbox.command(name="list")
@_ACCOUNT
@json_option
@pass_instance
def list_(instance: Instance, account_name: str, as_json: bool) -> None:
    """List the mailboxes of ACCOUNT, with what they hold."""
    with opened_store(instance) as opened:
        account = opened.account(account_name)
        found = account.mailboxes()
        subscribed = set(account.subscriptions())
    if as_json:
        print_json([_facts(each, each.name in subscribed) for each in found])
        return
    rows = [
        (
            each.name,
            str(each.messages),
            str(each.unseen),
            str(each.size),
            " ".join(each.special_use),
            "yes" if each.name in subscribed else "no",
        )
        for each in found
    ]
    print_table(("MAILBOX", "MESSAGES", "UNSEEN", "BYTES", "USE", "SUBSCRIBED"), rows)


def _facts(found: Mailbox, subscribed: bool) -> dict[str, Any]:
    return {
        "name": found.name,
        "messages": found.messages,
        "unseen": found.unseen,
        "deleted": found.deleted,
        "size": found.size,
        "uidvalidity": found.uidvalidity,
        "uidnext": found.uidnext,
        "modseq": found.modseq,
        "keywords": list(found.keywords),
        "special_use": list(found.special_use),
        "object_id": found.object_id,
        "subscribed": subscribed,
    }


@mailbox.command()
@_ACCOUNT
@click.argument("name")
@click.option(
    "--use",
    "uses",
    multiple=True,
    type=click.Choice([use.removeprefix("\\") for use in SPECIAL_USES], case_sensitive=False),
    help="What it is for (RFC 6154). May be repeated.",
)
@pass_instance
def create(instance: Instance, account_name: str, name: str, uses: tuple[str, ...]) -> None:
    """Create the mailbox NAME, and the levels above it that are missing; it is subscribed."""
    with opened_store(instance) as opened:
        account = opened.account(account_name, must_exist=False)
        made = account.create(name, tuple("\\" + use for use in uses))
        account.subscribe(made.name, True)
    click.echo(f"created {made.name}")


@mailbox.command()
@_ACCOUNT
@click.argument("old")
@click.argument("new")
@pass_instance
def rename(instance: Instance, account_name: str, old: str, new: str) -> None:
    """Rename the mailbox OLD, and those below it, to NEW; of INBOX, move its messages to NEW."""
    with opened_store(instance) as opened:
        opened.account(account_name).rename(old, new)
    click.echo(f"renamed {old} to {new}")


@mailbox.command()
@_ACCOUNT
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask, though there are messages in it.")
@pass_instance
def delete(instance: Instance, account_name: str, name: str, yes: bool) -> None:
    """Delete the mailbox NAME with its messages; mailboxes below it stay."""
    with opened_store(instance) as opened:
        account = opened.account(account_name)
        messages = account.mailbox(name).messages
        if messages and not yes:
            click.confirm(f"Erase {name} and its {messages} messages?", abort=True)
        account.delete(name)
        account.subscribe(name, False)
    click.echo(f"deleted {name}")
