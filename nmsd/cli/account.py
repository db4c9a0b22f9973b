"""nmsd account: the accounts in the store."""

from __future__ import annotations

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.cli.store import opened_store


@click.group()
def account() -> None:
    """List and remove accounts: what the store holds for the directory's users."""


@account.command(name="list")
@json_option
@pass_instance
def list_(instance: Instance, as_json: bool) -> None:
    """List the accounts, with what they hold."""
    with opened_store(instance) as opened:
        found = [(name, opened.store.account(name).usage()) for name in opened.store.accounts()]
    if as_json:
        print_json([{"name": name, "messages": usage.messages, "size": usage.size} for name, usage in found])
        return
    rows = [(name, str(usage.messages), str(usage.size)) for name, usage in found]
    print_table(("ACCOUNT", "MESSAGES", "BYTES"), rows)


@account.command()
@click.argument("name", metavar="ACCOUNT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_instance
def remove(instance: Instance, name: str, yes: bool) -> None:
    """Erase all mail of ACCOUNT. Its user stays in the directory; `nmsd user remove` is for that."""
    with opened_store(instance) as opened:
        found = opened.account(name)
        messages = found.usage().messages
        if not yes:
            click.confirm(f"Erase {found.name} and its {messages} messages for good?", abort=True)
        opened.store.remove_account(found.name)
    click.echo(f"removed {found.name}")
