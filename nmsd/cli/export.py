"""nmsd export: an account into a Maildir tree."""

from __future__ import annotations

import os

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.cli.progress import progress
from nmsd.cli.store import opened_store
from nmsd.migrate.exporter import Exported, export_mailbox, write_subscriptions
from nmsd.model.errors import NmsdError


@click.command()
@click.argument("account", metavar="ACCOUNT")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--mailbox", "chosen", multiple=True, metavar="NAME", help="Only this mailbox. May be repeated.")
@json_option
@pass_instance
def export(instance: Instance, account: str, directory: str, chosen: tuple[str, ...], as_json: bool) -> None:
    """Export ACCOUNT into DIR, as a Maildir++ tree that `nmsd import`, Dovecot and Courier read.

    Folders, flags, keywords, dates and subscriptions are kept. A run that was cut off goes on where it stopped, and a
    later one adds what has come since; nothing in DIR is removed.
    """
    result = Exported()
    with opened_store(instance) as opened, progress(as_json) as (plan, advance):
        source = opened.account(account)
        mailboxes = source.mailboxes()
        missing = set(chosen) - {mailbox.name for mailbox in mailboxes}
        if missing:
            raise NmsdError(f"{source.name} has no mailbox {', '.join(sorted(missing))}")
        os.makedirs(directory, 0o700, exist_ok=True)
        for mailbox in mailboxes:
            if not chosen or mailbox.name in chosen:
                plan(mailbox.name, mailbox.messages)
                export_mailbox(source, mailbox, directory, result, advance)
        if not chosen:
            write_subscriptions(source, directory)
    if as_json:
        print_json(
            {
                "exported": result.exported,
                "known": result.known,
                "mailboxes": result.mailboxes,
                "notes": result.notes,
            }
        )
        return
    known = f", {result.known} were there from an earlier run" if result.known else ""
    click.echo(f"{result.exported} messages exported to {directory}{known}")
    for note in result.notes:
        click.echo(f"note: {note}")
