"""nmsd reload: changed settings, without dropping a session."""

from __future__ import annotations

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json


@click.command()
@click.argument("service", required=False)
@json_option
@pass_instance
def reload(instance: Instance, service: str | None, as_json: bool) -> None:
    """Read the configuration again and let new workers take over; old ones end with their last session.

    If anything is wrong in it, all of it is told, the server goes on as it was, and the exit status is 2. The
    configuration is one for all services, so naming a SERVICE changes nothing.
    """
    answer = ask(instance.directory, "reload", service, timeout=120.0)
    if as_json:
        print_json(answer)
        return
    click.echo("the new settings are in force")
    for name in answer.get("restart_needed", []):
        click.echo(f"{name} changes at `nmsd restart` only")
