"""nmsd counters: what the workers have counted."""

from __future__ import annotations

from typing import Any, Final

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.supervisor.counters import SUMS, add_up

_HEADS: Final = {
    "sessions": "NOW",
    "most": "MOST",
    "connections": "EVER",
    "rejected": "REFUSED",
    "logins": "LOGINS",
    "bad_logins": "FAILED",
}


@click.command()
@click.argument("service", required=False)
@json_option
@pass_instance
def counters(instance: Instance, service: str | None, as_json: bool) -> None:
    """Show what the workers of a SERVICE, or of all, have counted since they were started.

    Connections now, most at a time in one process, ever, and refused for want of room; logins good and failed; commands
    by name and outcome; for LMTP, what became of each recipient's message (DELIVERY).
    """
    from nmsd.supervisor.inquiry import ask_workers

    status = ask(instance.directory, "status", service)
    found = add_up(ask_workers(instance.directory, {"command": "counters"}, service or "", status))
    if as_json:
        print_json(found)
        return
    rows = [(name, *(str(facts[each]) for each in SUMS)) for name, facts in found.items()]
    print_table(("SERVICE", *(_HEADS[each] for each in SUMS)), rows)
    commands = [row for name, facts in found.items() for row in _command_rows(name, facts)]
    if commands:
        click.echo()
        print_table(("SERVICE", "COMMAND", "OUTCOMES"), commands)


def _command_rows(service: str, facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (service, name, ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
        for name, outcomes in sorted(facts["commands"].items())
    ]
