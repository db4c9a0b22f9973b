"""nmsd stop: the server, or one of its services."""

from __future__ import annotations

import time
from typing import Final

import click

from nmsd.cli.control import ask
from nmsd.cli.instance import Instance, pass_instance
from nmsd.model.errors import NmsdError

_TURN_S: Final = 0.02
# Above the longest that local.stoptimeout allows, were the client told; so long nobody waits at a terminal.
_TIMEOUT_S: Final = 120.0


@click.command()
@click.argument("service", required=False)
@pass_instance
def stop(instance: Instance, service: str | None) -> None:
    """Stop the server, or one SERVICE; clients are told. Returns when it is done."""
    directory = instance.directory
    if service:
        ask(directory, "stop", service)
        _wait_for_service(directory, service)
        click.echo(f"{service} is stopped")
        return
    ask(directory, "stop")
    wait_for_end(directory)
    click.echo("nmsd is stopped")


def wait_for_end(directory: str) -> None:
    """Returns when no supervisor holds the instance any more.  Raises NmsdError after two minutes."""
    from nmsd.supervisor.pidfile import running_pid

    deadline = time.monotonic() + _TIMEOUT_S
    while running_pid(directory):
        if time.monotonic() > deadline:
            raise NmsdError(f"still not stopped after {_TIMEOUT_S:.0f} s; log/nmsd.log says what it waits for")
        time.sleep(_TURN_S)


def _wait_for_service(directory: str, service: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        services = ask(directory, "status")["services"]
        if not any(found["workers"] for found in services if found["name"] == service):
            return
        time.sleep(_TURN_S)
    raise NmsdError(f"{service} has not stopped after {_TIMEOUT_S:.0f} s; log/nmsd.log says what it waits for")
