"""nmsd check: verifies the store, account by account, while it is in use; repairs what can be."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json
from nmsd.cli.store import opened_store
from nmsd.store.api import Finding, Store


@click.command()
@click.argument("account", required=False)
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@json_option
@pass_instance
def check(instance: Instance, account: str | None, repair: bool, as_json: bool) -> int:
    """Verify every invariant of the store, bodies' checksums included; of one ACCOUNT or of all.

    Prints a line for everything found. The exit status is 0 only if the store is clean: with --repair, if all that was
    found is mended.
    """
    with opened_store(instance) as opened:
        names = [opened.account(account).name] if account else list(opened.store.accounts())
        findings = []
        for finding in _findings(opened.store, names, repair):
            findings.append(finding)
            if not as_json:
                click.echo(_line(finding))
    left = sum(not finding.repaired for finding in findings)
    if as_json:
        facts = {"accounts": len(names), "clean": not left, "findings": [asdict(finding) for finding in findings]}
        print_json(facts)
    else:
        checked = "1 account" if len(names) == 1 else f"{len(names)} accounts"
        mended = len(findings) - left
        found = f"{len(findings)} found, {mended} mended" if findings else "clean"
        click.echo(f"{checked} checked: {found}")
        if left and not repair:
            click.echo("nmsd: `nmsd check --repair` mends what can be mended", err=True)
    return 1 if left else 0


def _line(finding: Finding) -> str:
    where = f"{finding.account}: {finding.mailbox}" if finding.mailbox else finding.account
    return f"{where}: {finding.text}{' (mended)' if finding.repaired else ''}"


def _findings(store: Store, names: Iterable[str], repair: bool) -> Iterator[Finding]:
    for name in _with_progress(list(names)):
        yield from store.check(name, repair)


def _with_progress(names: list[str]) -> Iterable[str]:
    """The names, with a bar on standard error while they are gone through, if that is a terminal."""
    if not sys.stderr.isatty():
        return names
    from rich.console import Console
    from rich.progress import track

    return track(names, description="checking", console=Console(stderr=True), transient=True)
