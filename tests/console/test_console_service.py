"""The console as a service of the server: where it listens, that it can be off, what it may ask the supervisor for."""

from __future__ import annotations

import json
import os
import socket

import pytest

from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import CONSOLE, CONTROL, NotRunning, control_path, request
from tests.clients.harness import HOST, Instance, server_user
from tests.conftest import Maker
from tests.console.browser import Browser


def test_an_instance_made_with_a_port_offset_has_its_console_there(running: Instance) -> None:
    assert running.nmsd("config", "get", "service.console.port").stdout.decode() == f"{8443 + running.offset}\n"
    assert Browser(running).get("/login").status == 200


def test_it_is_turned_off_and_on_while_the_server_runs(running: Instance) -> None:
    running.nmsd("stop", "console")
    with pytest.raises(OSError):
        socket.create_connection((HOST, running.port(8443)), timeout=5)
    running.nmsd("start", "console")
    assert Browser(running).get("/login").status == 200


def test_a_server_does_without_it(make_instance: Maker) -> None:
    server = make_instance(**{"service.console.enable": "no"})
    with pytest.raises(OSError):
        socket.create_connection((HOST, server.port(8443)), timeout=5)
    states = {each["name"]: each["state"] for each in json.loads(server.nmsd("status", "--json").stdout)["services"]}
    assert states == {"imap": "running", "pop": "running", "lmtp": "running", "console": "stopped"}


def test_its_worker_may_ask_for_status_and_reload_only(running: Instance) -> None:
    directory = str(running.directory)
    assert request(directory, {"command": "status"}, name=CONSOLE)["ok"]
    for command in ("stop", "restart", "start"):
        answer = request(directory, {"command": command, "service": "imap"}, name=CONSOLE)
        assert answer == {"ok": False, "error": "not for the console"}
    assert request(directory, {"command": "status"})["state"] == "running"


def test_the_sockets_let_in_nobody_else(running: Instance) -> None:
    directory = str(running.directory)
    control, console = (os.stat(control_path(directory, name)) for name in (CONTROL, CONSOLE))
    assert control.st_mode & 0o777 == console.st_mode & 0o777 == 0o600
    assert control.st_uid == os.geteuid()
    if os.geteuid() == 0 and server_user() == "nobody":
        assert console.st_uid != 0
    workers = os.stat(running.directory / "run/workers")
    assert workers.st_mode & 0o777 == 0o700


def test_nothing_answers_for_a_server_that_does_not_run(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(NotRunning):
        request(str(tmp_path), {"command": "status"}, name=CONSOLE)
    assert issubclass(NotRunning, NmsdError)
