"""nmsd start: the server in the background, or one service of a running server."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Final

import click

from nmsd.cli.control import ask
from nmsd.cli.errors import Failed
from nmsd.cli.instance import Instance, pass_instance
from nmsd.cli.program import PROGRAM, program_environment
from nmsd.model.errors import NmsdError

_TIMEOUT_S: Final = 60.0
_TURN_S: Final = 0.05


@click.command()
@click.argument("service", required=False)
@click.option("-o", "overrides", metavar="NAME=VALUE", multiple=True, help="Set a setting for this run.")
@pass_instance
def start(instance: Instance, service: str | None, overrides: Sequence[str]) -> None:
    """Start the server in the background, and wait until it serves; or start one SERVICE of a running server."""
    directory = instance.directory
    if service:
        ask(directory, "start", service)
        click.echo(f"{service} is started")
        return
    pid = start_server(directory, overrides)
    click.echo(f"nmsd runs (pid {pid}); `nmsd -I {directory} status` tells more")


def start_server(directory: str, overrides: Sequence[str] = ()) -> int:
    """Starts the supervisor in a session of its own and waits for its word that all is ready; gives its pid.

    What it writes on standard error goes to log/nmsd.err.  Raises NmsdError with what that says.
    """
    command = [*PROGRAM, "-I", directory, "run", "--quiet"]
    command += [word for override in overrides for word in ("-o", override)]
    os.makedirs(os.path.join(directory, "log"), mode=0o700, exist_ok=True)
    error_path = os.path.join(directory, "log", "nmsd.err")
    # It tells us as it would tell systemd.
    with (
        tempfile.TemporaryDirectory(prefix="nmsd-") as place,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears,
        open(os.open(error_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab") as errors,
    ):
        begin = os.fstat(errors.fileno()).st_size
        address = os.path.join(place, "notify")
        ears.bind(address)
        ears.settimeout(_TURN_S)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd="/",
            env={**program_environment(os.environ), "NOTIFY_SOCKET": address},
            start_new_session=True,
        )
        _await_ready(process, ears, error_path, begin)
        process.returncode = 0  # it goes on; nobody waits for it
        return process.pid


def _await_ready(process: subprocess.Popen[bytes], ears: socket.socket, error_path: str, begin: int) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if "READY=1" in ears.recv(4096).decode().split("\n"):
                return
        except TimeoutError:
            pass
        if process.poll() is not None:
            with open(error_path, "rb") as errors:
                errors.seek(begin)
                told = errors.read().decode("utf-8", "replace").strip().splitlines()
            lines = [line.removeprefix("nmsd: ") for line in told]
            raise Failed(lines or ["the server ended at once; log/nmsd.log says why"], process.returncode or 1)
    text = f"not all services are ready after {_TIMEOUT_S:.0f} s, it goes on trying"
    raise NmsdError(text + "; `nmsd status` and the logs say more")
