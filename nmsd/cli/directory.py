"""nmsd directory: whether the users' directory can be asked, and forgetting what was learnt from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json

if TYPE_CHECKING:
    from nmsd.directory.step import Step


@click.group()
def directory() -> None:
    """Try the users' directory, and have workers forget what they learnt from it."""


@directory.command()
@json_option
@pass_instance
def test(instance: Instance, as_json: bool) -> int:
    """Try each directory server: connection, TLS, bind, base, a search, and how long each takes.

    The exit status is 0 if all servers are good.
    """
    from nmsd.app import open_directory
    from nmsd.directory.report import try_servers
    from nmsd.store.runtime import PlainRuntime

    config = instance.config()
    reports = list(try_servers(open_directory(config, PlainRuntime(), unlogged), config))
    good = all(step.good is not False for _, steps in reports for step in steps)
    if as_json:
        servers = [{"server": name, "steps": [asdict(step) for step in steps]} for name, steps in reports]
        print_json({"good": good, "servers": servers})
    else:
        for name, steps in reports:
            click.echo(name)
            print_steps(steps)
        click.echo("the directory can be asked" if good else "not all is well")
    return 0 if good else 1


@directory.command()
@pass_instance
def flush(instance: Instance) -> None:
    """Have all workers forget what they learnt from the directory, logins included.

    They do so with the next login or message, before they look anything up.
    """
    from nmsd.directory import report

    report.flush(instance.config().instance)
    click.echo("what was learnt from the directory is forgotten")


def print_steps(steps: Iterable[Step]) -> None:
    """A line a step."""
    for step in steps:
        mark = {True: "ok", False: "FAIL", None: "-"}[step.good]
        took = "" if step.seconds is None else f"  ({step.seconds * 1000:.1f} ms)"
        click.echo(f"  {mark:4}  {step.what + ':':22} {step.found}{took}")
        if step.mend:
            click.echo(f"        {'':22} -> {step.mend}")


def unlogged(level: str, category: str, text: str, **fields: Any) -> None:
    """A log for tools that print what they find."""
