"""nmsd account: the accounts in the store."""

from __future__ import annotations

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.cli.store import OpenStore, opened_store


@click.group()
def account() -> None:
    """List, move and remove accounts: what the store holds for the directory's users."""


@account.command(name="list")
@click.option("--orphans", is_flag=True, help="Only those whose user is no more in the directory.")
@json_option
@pass_instance
def list_(instance: Instance, orphans: bool, as_json: bool) -> None:
    """List the accounts, with what they hold and the partition they are in."""
    with opened_store(instance) as opened:
        names = opened.orphans() if orphans else opened.store.accounts()
        found = [
            (name, each.usage(), each.partition())
            for name, each in ((name, opened.store.account(name)) for name in names)
        ]
    if as_json:
        print_json(
            [
                {"name": name, "messages": usage.messages, "size": usage.size, "partition": partition}
                for name, usage, partition in found
            ]
        )
        return
    rows = [(name, str(usage.messages), str(usage.size), partition) for name, usage, partition in found]
    print_table(("ACCOUNT", "MESSAGES", "BYTES", "PARTITION"), rows)


@account.command()
@click.argument("name", metavar="[ACCOUNT]", required=False)
@click.option("--orphans", is_flag=True, help="Erase all those whose user is no more in the directory.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_instance
def remove(instance: Instance, name: str | None, orphans: bool, yes: bool) -> None:
    """Erase all mail of ACCOUNT, or of all users who are gone.

    A user who is there stays in the directory; `nmsd user remove` is for that. Orphans are looked for only while the
    directory answers and shows some user; look at `nmsd account list --orphans` first.
    """
    if (name is None) != orphans:
        raise click.UsageError("give either ACCOUNT or --orphans")
    with opened_store(instance) as opened:
        if name is not None:
            _remove(opened, opened.account(name).name, yes)
            return
        found = opened.orphans()
        if not found:
            click.echo("no account is an orphan")
            return
        if not yes:
            messages = sum(opened.store.account(each).usage().messages for each in found)
            click.echo("\n".join(found))
            click.confirm(f"Erase these {len(found)} accounts and their {messages} messages for good?", abort=True)
        for each in found:
            _remove(opened, each, True)


def _remove(opened: OpenStore, name: str, yes: bool) -> None:
    if not yes:
        messages = opened.store.account(name).usage().messages
        click.confirm(f"Erase {name} and its {messages} messages for good?", abort=True)
    opened.store.remove_account(name)
    click.echo(f"removed {name}")


@account.command()
@click.argument("name", metavar="ACCOUNT")
@click.argument("partition")
@pass_instance
def move(instance: Instance, name: str, partition: str) -> None:
    """Move ACCOUNT to another PARTITION (store.partition.NAME.path), while it may be in use.

    Sessions go on; the account cannot be written to meanwhile. Change mailMessageStore in the user's entry yourself: it
    matters only when an account is made.
    """
    with opened_store(instance) as opened:
        found = opened.account(name)
        opened.store.move_account(found.name, partition)
    click.echo(f"{found.name} is in {partition}")
