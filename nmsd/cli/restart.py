"""nmsd restart: everything anew, the program included."""

from __future__ import annotations

import time
from typing import Final

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.start import start_server
from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import NotRunning

_TIMEOUT_S: Final = 120.0
_TURN_S: Final = 0.05


@click.command()
@click.argument("service", required=False)
@pass_instance
def restart(instance: Instance, service: str | None) -> None:
    """Stop the server, or one SERVICE, and start it again; a server that does not run is started.

    Clients are told and come back; to change settings without that, use `nmsd reload`. If the configuration is wrong
    nothing is stopped, and the exit status is 2.
    """
    directory = instance.directory
    if service:
        ask(directory, "restart", service, timeout=_TIMEOUT_S)
        click.echo(f"{service} is restarted")
        return
    try:
        before = ask(directory, "status")["started"]
        ask(directory, "restart", timeout=_TIMEOUT_S)
    except NotRunning:
        pid = start_server(directory)
        click.echo(f"nmsd did not run; it does now (pid {pid})")
        return
    _await_restart(directory, before)
    click.echo("nmsd is restarted")


def _await_restart(directory: str, before: float) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    gone = 0
    while time.monotonic() < deadline:
        try:
            answer = ask(directory, "status")
        except NmsdError:
            from nmsd.supervisor.pidfile import running_pid

            # Between the old program and the new one nobody holds the instance, but not for seconds.
            gone = 0 if running_pid(directory) else gone + 1
            if gone > 5 / _TURN_S:
                text = "the server ended and did not come back; log/nmsd.err and log/nmsd.log say why"
                raise NmsdError(text) from None
        else:
            if answer["started"] != before and answer["state"] == "running":
                return
        time.sleep(_TURN_S)
    raise NmsdError(f"not running again after {_TIMEOUT_S:.0f} s; `nmsd status` and log/nmsd.log say more")
