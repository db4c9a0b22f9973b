"""nmsd run: the supervisor in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.program import PROGRAM, program_environment

if TYPE_CHECKING:
    from nmsd.config.load import Loaded


@click.command()
@click.option("-o", "overrides", metavar="NAME=VALUE", multiple=True, help="Set a setting for this run.")
@click.option("--quiet", is_flag=True, help="Log to the files only.")
@pass_instance
def run(instance: Instance, overrides: Sequence[str], quiet: bool) -> int:
    """Run the server in the foreground, until SIGTERM or Ctrl-C.

    SIGHUP takes changed settings without dropping a session. Suits systemd (Type=notify), containers and terminals.
    """
    directory = instance.directory
    status = supervise(instance, PROGRAM, overrides, quiet)
    if status is None:
        options = [word for override in overrides for word in ("-o", override)]
        arguments = ["-I", directory, "run", *options, *(["--quiet"] if quiet else [])]
        os.execve(sys.executable, [*PROGRAM, *arguments], program_environment(os.environ))
    return status


def supervise(
    instance: Instance, command: Sequence[str], overrides: Sequence[str] = (), quiet: bool = False
) -> int | None:
    """Runs the supervisor to its end, with `command` as the program of its workers; gives the exit status, or None
    when it ended to be executed anew."""
    from nmsd.log import open_log
    from nmsd.settings import SECTIONS
    from nmsd.supervisor.loop import Supervisor
    from nmsd.supervisor.notify import Notify, take_watchdog
    from nmsd.supervisor.prepare import prepare
    from nmsd.supervisor.refresh import Refresh
    from nmsd.supervisor.signals import Signals

    signals = Signals()
    signals.install()
    environ = program_environment(os.environ)
    notify = Notify(environ.get("NOTIFY_SOCKET", ""))
    watchdog = take_watchdog(environ)

    def load() -> Loaded:
        return instance.read(overrides)

    options = [word for override in overrides for word in ("-o", override)]
    fetch = [*PROGRAM, "-I", instance.directory, "config", "fetch", "--json", *options]
    refresh = Refresh(load, fetch, environ)
    outcome = refresh.now()
    ground = prepare(outcome.loaded, command=command, environ=environ, echo=not quiet)
    log = open_log(ground.loaded.config, "nmsd", None if quiet else sys.stderr)
    supervisor = Supervisor(
        ground,
        outcome,
        refresh,
        SECTIONS,
        log,
        signals,
        notify=notify,
        watchdog=watchdog,
        on_ready=lambda facts: None if quiet else _welcome(facts),
    )
    status = supervisor.run()
    if not supervisor.restart_wanted:
        return status
    signals.hold()
    told_to_stop = signal.SIGTERM in (late := signals.take()) or signal.SIGINT in late
    return status if told_to_stop else None


def _welcome(facts: dict[str, Any]) -> None:
    """A short word on what runs now."""
    directory = facts["instance"]
    lines = []
    for service in facts["services"]:
        if service["endpoints"]:
            count = service["processes"]
            processes = "1 process" if count == 1 else f"{count} processes"
            lines.append((service["name"], ", ".join(service["endpoints"]), processes))
    hint = f"Ctrl-C stops; `nmsd -I {directory} status` tells more."
    if not sys.stdout.isatty():
        click.echo(f"nmsd {facts['version']} runs on {directory}")
        for name, endpoints, processes in lines:
            click.echo(f"  {name}: {endpoints}, {processes}")
        click.echo(hint)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"nmsd {facts['version']}  {directory}", title_justify="left", box=None, pad_edge=False)
    for head in ("service", "listens on", ""):
        table.add_column(head, style="bold" if head == "service" else None, header_style="dim")
    for line in lines:
        table.add_row(*line)
    console = Console(highlight=False)
    console.print(table)
    console.print(hint, style="dim")
