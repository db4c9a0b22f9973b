"""nmsd trace: what a user's clients and the server say, written to files for a while."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.output import duration, json_option, print_json, print_table

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _span(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """A span of time: 90, 90s, 10m, 2h."""
    found = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", value.strip().lower())
    if found is None or not int(found[1]):
        raise click.BadParameter(f"{value} is no time such as 90s, 10m or 2h", context, parameter)
    return int(found[1]) * _UNITS[found[2]]


@click.group()
def trace() -> None:
    """Write down what a user's clients and the server say.

    The files are INSTANCE/log/trace/USER-SESSION.log. Passwords and what else belongs to a login are blotted out, and
    messages left out unless --body asks for their beginnings; the rest is personal data all the same. A trace ends by
    itself: after its time, at trace.maxsize, and when the workers are replaced.
    """


@trace.command()
@click.argument("target", metavar="USER|SESSION")
@click.option(
    "--for", "seconds", callback=_span, default="10m", show_default=True, metavar="TIME", help="How long: 90s, 10m, 2h."
)
@click.option(
    "--body",
    type=click.IntRange(0, 1 << 20),
    default=0,
    metavar="BYTES",
    help="How many bytes of each message are shown; without this none.",
)
@json_option
@pass_instance
def on(instance: Instance, target: str, seconds: int, body: int, as_json: bool) -> int:
    """Begin to trace a user, in the sessions there are and those that come, or one session."""
    message = {"action": "on", "target": target, "seconds": seconds, "keep": body, "by": "command line"}
    found = _ask(instance, message)
    if as_json:
        print_json(found)
    elif found:
        files = _files(found)
        left = duration(min(each["seconds"] for each in found))
        click.echo(f"{target} is traced for {left}, now in {len(files)} session{'' if len(files) == 1 else 's'}")
        for path in files:
            click.echo(f"  {path}")
    if not found:
        click.echo(f"nmsd: there is no session {target}, or no trace can be written, and the log says why", err=True)
    return 0 if found else 1


@trace.command()
@click.argument("target", metavar="[USER|SESSION]", default="")
@json_option
@pass_instance
def off(instance: Instance, target: str, as_json: bool) -> int:
    """End a trace, or all of them."""
    found = _ask(instance, {"action": "off", "target": target, "by": "command line"})
    if as_json:
        print_json(found)
    else:
        for each in sorted({trace["target"] for trace in found}):
            click.echo(f"{each} is not traced any more")
    if target and not found:
        click.echo(f"nmsd: {target} was not traced", err=True)
        return 1
    return 0


@trace.command(name="list")
@json_option
@pass_instance
def list_(instance: Instance, as_json: bool) -> None:
    """List the traces there are, with their files."""
    found = _ask(instance, {"action": "list"})
    if as_json:
        print_json(found)
        return
    rows = []
    for target in sorted({trace["target"] for trace in found}):
        traces = [trace for trace in found if trace["target"] == target]
        left = duration(max(trace["seconds"] for trace in traces))
        rows += [(target, left, path) for path in _files(traces) or ["-"]]
    print_table(("TARGET", "LEFT", "FILE"), rows)


def _ask(instance: Instance, message: dict[str, Any]) -> list[dict[str, Any]]:
    from nmsd.supervisor.inquiry import ask_workers

    status = ask(instance.directory, "status")
    return list(ask_workers(instance.directory, {"command": "trace", **message}, "", status))


def _files(traces: list[dict[str, Any]]) -> list[str]:
    return sorted(path for trace in traces for path in trace["sessions"].values())
