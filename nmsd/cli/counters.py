"""nmsd counters: what the workers have counted."""

from __future__ import annotations

from typing import Any, Final

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import json_option, print_json, print_table
from nmsd.supervisor.counters import PERCENTILES, SUMS, add_up

_HEADS: Final = {
    "sessions": "NOW",
    "idle": "IDLE",
    "most": "MOST",
    "connections": "EVER",
    "rejected": "REFUSED",
    "kept_out": "KEPT OUT",
    "retired": "RETIRED",
    "logins": "LOGINS",
    "bad_logins": "FAILED",
}


@click.command()
@click.argument("service", required=False)
@json_option
@pass_instance
def counters(instance: Instance, service: str | None, as_json: bool) -> None:
    """Show what the workers of a SERVICE, or of all, have counted since they were started.

    Sessions now, idle, most at a time in one process; connections ever, refused for want of room, kept out by filters;
    sessions retired for a newer one; logins good and failed; commands by name and outcome; for LMTP, what became of
    each recipient's message (DELIVERY); how long commands, deliveries, writes to the store and questions to the
    directory took. Of those times only a few steps are counted, so percentiles are estimates between two of them.
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
    times = [row for name, facts in found.items() for row in _time_rows(name, facts["latency"])]
    if times:
        click.echo()
        print_table(("SERVICE", "TIME OF", "COUNT", "MEAN", *(f"{percent} %" for percent in PERCENTILES)), times)


def _command_rows(service: str, facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (service, name, ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
        for name, outcomes in sorted(facts["commands"].items())
    ]


def _time_rows(service: str, latency: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            service,
            what,
            str(times["count"]),
            _milliseconds(times["sum"] / times["count"]),
            *(_milliseconds(times[f"p{percent}"]) for percent in PERCENTILES),
        )
        for what, times in latency.items()
        if times["count"]
    ]


def _milliseconds(seconds: float) -> str:
    """A time of 10 s may be longer: the last bucket has no bound."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
