"""The console as a service of the server: where it listens, that it can be off, what it may ask the supervisor for."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import ssl
from collections.abc import Iterator

import pytest

from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import CONSOLE, CONTROL, NotRunning, control_path, request
from tests.clients.harness import HOST, Instance, instance_directory, server_user
from tests.conftest import Maker
from tests.console.browser import Browser

CHUNKED = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LONG = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n"
HALF = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"


@pytest.fixture(scope="module")
def hurried() -> Iterator[Instance]:
    """A server that has a second for each client's words."""
    with instance_directory() as directory:
        server = Instance.make(directory, {"service.readtimeout": 1, "service.console.enable": "yes"})
        server.start()
        yield server
        server.stop()


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


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /log", id="line"),
        pytest.param(b"GET /login HTTP/1.1\r\nHost: local", id="head"),
        pytest.param(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nlogin=", id="form"),
        pytest.param(LONG + b"login=", id="long form"),
        pytest.param(CHUNKED + b"FFFFF\r\nlogin=", id="chunks"),
    ],
)
def test_a_client_that_is_silent_or_sends_byte_by_byte_is_closed(hurried: Instance, words: bytes) -> None:
    with (
        socket.create_connection((HOST, hurried.port(8443)), timeout=60) as plain,
        hurried.tls().wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(words)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while not select.select([client], [], [], 0.2)[0] or client.recv(1000):
                if words:
                    client.send(b"x")
    assert Browser(hurried).get("/login").status == 200
    assert "Traceback" not in hurried.log()


def test_a_form_that_is_too_long_is_refused(running: Instance) -> None:
    browser = Browser(running)
    form = browser.get("/login").form("/login")
    assert browser.send(form, login="x" * 70_000).status == 413
    assert browser.get("/login").status == 200


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        pytest.param(b"A\r\nlogin=mary\r\n0\r\n\r\n", 403, id="a form without the token"),
        pytest.param(HALF + HALF + b"0\r\n\r\n", 403, id="longest"),
        pytest.param(b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n", 413, id="too long"),
        pytest.param(b"many\r\nlogin=mary\r\n0\r\n\r\n", 400, id="no number"),
    ],
)
def test_a_form_in_chunks_is_a_form_like_others(running: Instance, chunks: bytes, status: int) -> None:
    with (
        socket.create_connection((HOST, running.port(8443)), timeout=60) as plain,
        running.tls().wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(CHUNKED + chunks)
        assert client.recv(100).startswith(b"HTTP/1.1 %d " % status)
    assert Browser(running).get("/login").status == 200
    assert "Traceback" not in running.log()


@pytest.mark.parametrize("command", ["stop", "restart", "start"])
@pytest.mark.parametrize("service", [None, "console", "nmsd"])
def test_its_worker_may_not_ask_for_the_end_of_the_server_or_itself(
    running: Instance, command: str, service: object
) -> None:
    directory = str(running.directory)
    message = {"command": command} if service is None else {"command": command, "service": service}
    assert request(directory, message, name=CONSOLE) == {"ok": False, "error": "not for the console"}
    assert request(directory, {"command": "status"}, name=CONSOLE)["state"] == "running"


@pytest.mark.parametrize(
    "message", [{"command": "stop", "service": ["imap"]}, {"command": ["stop"]}, {"command": {}}, {"command": None}]
)
def test_requests_of_another_shape_do_no_harm(running: Instance, message: dict[str, object]) -> None:
    directory = str(running.directory)
    for name in (CONSOLE, CONTROL):
        assert not request(directory, message, name=name)["ok"]
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
