"""nmsd import: Maildir and mbox trees into an account."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from typing import Literal, cast

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.cli.progress import progress
from nmsd.cli.store import opened_store
from nmsd.config.services import MAX_MESSAGE_SIZE
from nmsd.migrate.importer import Importer, Summary
from nmsd.migrate.journal import journal_path
from nmsd.migrate.maildir import find_maildirs, is_maildir, subscribed_names
from nmsd.migrate.mbox import Quoting, find_mboxes, is_mbox
from nmsd.migrate.source import Folder, Refused
from nmsd.model.errors import NmsdError

Format = Literal["maildir", "mbox"]

_SHOWN_REFUSALS = 20


@click.command("import")
@click.argument("account", metavar="ACCOUNT")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--format", "wanted", type=click.Choice(["auto", "maildir", "mbox"]), default="auto", show_default=True)
@click.option("--into", default="", metavar="MAILBOX", help="Put all of it into MAILBOX and below.")
@click.option(
    "--quoting",
    type=click.Choice(["rd", "o", "none"]),
    default="rd",
    show_default=True,
    help="How lines that begin with From are quoted in mbox files: mboxrd, mboxo, or not at all.",
)
@click.option("--again", is_flag=True, help="Forget what earlier runs imported, and import all of it again.")
@json_option
@pass_instance
def import_(
    instance: Instance,
    account: str,
    paths: tuple[str, ...],
    wanted: str,
    into: str,
    quoting: str,
    again: bool,
    as_json: bool,
) -> int:
    """Import mail into ACCOUNT from each PATH: a Maildir, an mbox file, or a tree of either.

    Folders, flags, keywords and dates are kept; the sources are only read. A run that was cut off goes on where it
    stopped, and a later one imports what has come since. Exit status 1 if anything had to be refused.
    """
    with opened_store(instance) as opened, progress(as_json) as (plan, advance):
        target = opened.account(account, must_exist=False)
        importer = Importer(target, opened.config[MAX_MESSAGE_SIZE], into, advance)
        for path in paths:
            _check_readable(path)
        sources = [(path, _format(path, wanted)) for path in paths]
        for path, form in sources:
            folders = list(_folders(path, form, quoting))
            plan(os.path.basename(os.path.abspath(path)), sum(folder.count for folder in folders))
            _import_source(importer, opened.config.instance, path, form, folders, again)
    _report(importer.summary, as_json)
    return 1 if importer.summary.refused else 0


def _import_source(
    importer: Importer, instance: str, path: str, form: Format, folders: Sequence[Folder], again: bool
) -> None:
    state = journal_path(instance, importer.account, path)
    if again and os.path.exists(state):
        os.unlink(state)
    journal = importer.open_journal(state)
    try:
        if not folders:
            importer.summary.refused.append(Refused(path, f"nothing in {form} format in it"))
        subscribed = subscribed_names(path) if form == "maildir" else []
        for folder in folders:
            importer.run(folder, journal, subscribe=not subscribed)
        importer.subscribe(subscribed)
    finally:
        journal.close()


def _check_readable(path: str) -> None:
    """Raises NmsdError for a source that this process cannot read: run by root, it is the server's user by now."""
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        name = pwd.getpwuid(os.getuid()).pw_name
        mend = f"let that user read it (`setfacl -R -m u:{name}:rX {path}`), or import a copy"
        raise NmsdError(f"{name}, as whom mail is imported, cannot read {path}; {mend}")


def _format(path: str, wanted: str) -> Format:
    """The format of a source.  Raises NmsdError when it cannot be told."""
    if wanted != "auto":
        return cast(Format, wanted)
    if os.path.isfile(path):
        if is_mbox(path):
            return "mbox"
        raise NmsdError(f"{path} is no mbox file: it does not begin with a From line; name its format with --format")
    if is_maildir(path):
        return "maildir"
    for folder, _, files in os.walk(path):
        if is_maildir(folder):
            return "maildir"
        for name in files:
            file = os.path.join(folder, name)
            if os.path.getsize(file) and is_mbox(file):
                return "mbox"
    raise NmsdError(f"{path}: neither Maildirs nor mbox files in it")


def _folders(path: str, form: Format, quoting: str) -> Iterator[Folder]:
    if form == "maildir":
        if os.path.isfile(path):
            raise NmsdError(f"{path} is a file, and a Maildir is a directory; try --format mbox")
        return find_maildirs(path)
    return find_mboxes(path, cast(Quoting, quoting))


def _report(summary: Summary, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "imported": summary.imported,
                "bytes": summary.size,
                "known": summary.known,
                "mailboxes": summary.mailboxes,
                "refused": [{"what": one.origin, "why": one.reason} for one in summary.refused],
                "notes": summary.notes,
            }
        )
        return
    for name, count in sorted(summary.mailboxes.items()):
        click.echo(f"{count:8} {name}")
    known = f", {summary.known} were there from an earlier run" if summary.known else ""
    click.echo(f"{summary.imported} messages imported, {summary.size} bytes{known}")
    for note in summary.notes[:_SHOWN_REFUSALS]:
        click.echo(f"note: {note}")
    for one in summary.refused[:_SHOWN_REFUSALS]:
        click.echo(f"refused: {one.origin}: {one.reason}", err=True)
    if len(summary.refused) > _SHOWN_REFUSALS:
        click.echo(f"refused: {len(summary.refused) - _SHOWN_REFUSALS} more; --json lists all", err=True)
