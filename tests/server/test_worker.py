"""Workers as processes: accepting, limits, several of a service, signals, the end."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.server.server_stand import write_certificate

ROOT = Path(__file__).parents[2]


class Client:
    """A blocking client."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(30)
        self.sock = sock
        self.file = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def line(self) -> bytes:
        return self.file.readline().rstrip(b"\n")

    def ask(self, data: bytes) -> bytes:
        self.send(data + b"\n")
        return self.line()

    def rest(self) -> bytes:
        return self.file.read()

    def close(self) -> None:
        self.file.close()
        self.sock.close()


class Process:
    """A worker; `settings` go into its snapshot."""

    def __init__(self, house: House, index: int, settings: dict[str, Any], descriptors: int | None) -> None:
        self.settings_file = house.instance / "run" / f"config-{index}"
        self.configure(settings)
        self.status, theirs = socket.socketpair()
        self.status.settimeout(30)
        self.lines = self.status.makefile("rb")
        orders = {
            "instance": str(house.instance),
            "service": "imap",
            "index": index,
            "listeners": [(sock.fileno(), kind) for kind, sock in house.sockets.items()],
            "status_fd": theirs.fileno(),
            "config": str(self.settings_file),
            "board": str(house.instance / "run" / "board"),
        }

        def lower() -> None:
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.log_file = house.instance / f"log-{index}"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.server.echo_worker", json.dumps(orders)],
                cwd=ROOT,
                pass_fds=[theirs.fileno(), *(sock.fileno() for sock in house.sockets.values())],
                stderr=log,
                preexec_fn=lower,
            )
        theirs.close()
        self.first = self.until(lambda report: True)

    def configure(self, settings: dict[str, Any]) -> None:
        self.settings_file.write_text(json.dumps(settings))

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next status line that is as wanted."""
        for line in self.lines:
            report: dict[str, Any] = json.loads(line)
            if wanted(report):
                return report
        raise AssertionError("the worker ended: " + self.log())

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(timeout=30)

    def log(self) -> str:
        return self.log_file.read_text()


class House:
    """An instance with listening sockets that workers share."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance
        (instance / "run").mkdir()
        write_certificate(instance)
        self.sockets = {"plain": self._tcp(), "tls": self._tcp(), "unix": socket.socket(socket.AF_UNIX)}
        self.directory = os.open(instance, os.O_RDONLY)
        self.sockets["unix"].bind(f"/proc/self/fd/{self.directory}/socket")
        for sock in self.sockets.values():
            sock.listen(128)
            sock.setblocking(False)
        self.workers: list[Process] = []
        self.clients: list[Client] = []

    def _tcp(self) -> socket.socket:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        return sock

    def start(self, descriptors: int | None = None, **settings: Any) -> Process:
        named = {"service.imap." + name: value for name, value in settings.items() if name != "stop"}
        if "stop" in settings:
            named["stop"] = settings["stop"]
        worker = Process(self, len(self.workers), named, descriptors)
        self.workers.append(worker)
        return worker

    def connect(self, kind: str = "plain") -> Client:
        """A client that has not read its greeting."""
        if kind == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(f"/proc/self/fd/{self.directory}/socket")
        else:
            sock = socket.create_connection(self.sockets[kind].getsockname())
            sock.settimeout(30)
            if kind == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                sock = context.wrap_socket(sock)
        self.clients.append(Client(sock))
        return self.clients[-1]

    def greeted(self, kind: str = "plain") -> Client:
        client = self.connect(kind)
        assert client.line() == b"hello"
        return client

    def go(self) -> None:
        """Lets the blocked commands end."""
        (self.instance / "go").touch()

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            worker.lines.close()
            worker.status.close()
        for sock in self.sockets.values():
            sock.close()
        os.close(self.directory)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.closing(House(tmp_path)) as house:
        yield house


def test_a_worker_says_it_is_ready_and_serves_on_every_kind_of_socket(house: House) -> None:
    worker = house.start()
    first = worker.first
    assert (first["state"], first["service"], first["index"]) == ("ready", "imap", 0)
    assert (first["pid"], first["sessions"], first["max_sessions"]) == (worker.process.pid, 0, 4000)
    assert (first["threads"], first["max_threads"], first["logins"]) == (0, 1000, 7)
    for kind in house.sockets:
        client = house.greeted(kind)
        assert client.ask(b"noop") == b"ok"
        assert client.ask(b"word") == b"echo word"
    assert worker.until(lambda report: report["sessions"] == 3)["descriptors"] > 3


def test_at_sigterm_parked_sessions_are_told_at_once_and_busy_ones_after_their_command(house: House) -> None:
    worker = house.start()
    parked, busy = house.greeted(), house.greeted("tls")
    busy.send(b"block\nnoop\n")
    worker.until(lambda report: report["threads"] == 1)
    worker.signal(signal.SIGTERM)
    assert parked.rest() == b"farewell: Server is shutting down\n"
    house.go()
    assert busy.rest() == b"unblocked\nfarewell: Server is shutting down\n"
    assert worker.ended() == 0


def test_a_stop_cuts_off_what_does_not_end_in_time(house: House) -> None:
    worker = house.start(stop=0.2)
    busy = house.greeted()
    busy.send(b"block\n")
    worker.until(lambda report: report["threads"] == 1)
    worker.signal(signal.SIGTERM)
    assert busy.rest() == b""
    assert worker.ended() == 0
    assert "sessions cut off" in worker.log()


def test_at_sigusr1_sessions_live_on_and_the_worker_ends_with_the_last(house: House) -> None:
    worker = house.start()
    one, two = house.greeted(), house.greeted()
    worker.signal(signal.SIGUSR1)
    worker.until(lambda report: report["state"] == "draining")
    other = house.start()
    assert house.greeted().ask(b"noop") == b"ok"
    other.until(lambda report: report["sessions"] == 1)
    assert one.ask(b"noop") == b"ok"
    assert one.ask(b"quit") == b"bye"
    assert two.ask(b"noop") == b"ok"
    assert two.ask(b"quit") == b"bye"
    assert worker.ended() == 0


def test_a_draining_worker_can_be_stopped(house: House) -> None:
    worker = house.start()
    client = house.greeted()
    worker.signal(signal.SIGUSR1)
    worker.until(lambda report: report["state"] == "draining")
    worker.signal(signal.SIGTERM)
    assert client.rest() == b"farewell: Server is shutting down\n"
    assert worker.ended() == 0


def test_an_idle_worker_ends_at_once_when_told_to_drain(house: House) -> None:
    worker = house.start()
    worker.signal(signal.SIGUSR1)
    assert worker.ended() == 0


def test_when_the_supervisor_is_gone_the_worker_says_farewell_and_ends(house: House) -> None:
    worker = house.start()
    client = house.greeted()
    worker.lines.close()
    worker.status.close()
    assert client.rest() == b"farewell: Server is shutting down\n"
    assert worker.ended() == 0


@pytest.mark.parametrize("kind", ["plain", "tls", "unix"])
def test_a_full_worker_says_so_at_once_and_counts_it(house: House, kind: str) -> None:
    worker = house.start(maxsessions=2)
    first = house.greeted(kind)
    house.greeted(kind)
    worker.until(lambda report: report["state"] == "full")
    assert house.connect(kind).rest() == b"busy\n"
    assert worker.until(lambda report: report["rejected"] == 1)["sessions"] == 2
    assert first.ask(b"quit") == b"bye"
    assert first.rest() == b""
    worker.until(lambda report: report["state"] == "ready")
    house.greeted(kind)


def test_a_full_worker_leaves_clients_to_one_with_room_and_when_all_are_full_they_are_told(house: House) -> None:
    workers = [house.start(maxsessions=3, numprocesses=2) for _ in range(2)]
    for _ in range(6):
        house.greeted()
    for worker in workers:
        worker.until(lambda report: report["sessions"] == 3)
    assert house.connect().rest() == b"busy\n"
    workers[0].process.kill()
    workers[0].ended()
    assert house.connect().rest() == b"busy\n"


def test_a_new_maximum_of_sessions_and_threads_is_taken_at_sighup(house: House) -> None:
    worker = house.start(maxsessions=1, maxthreads=1)
    house.greeted()
    assert house.connect().rest() == b"busy\n"
    worker.configure({"service.imap.maxsessions": 2, "service.imap.maxthreads": 5})
    worker.signal(signal.SIGHUP)
    assert worker.until(lambda report: report["max_sessions"] == 2)["max_threads"] == 5
    house.greeted()
    assert house.connect().rest() == b"busy\n"


def test_a_new_certificate_is_taken_at_sighup(house: House) -> None:
    worker = house.start()

    def shown() -> Any:
        sock = house.greeted("tls").sock
        assert isinstance(sock, ssl.SSLSocket)
        return sock.getpeercert(binary_form=True)

    before = shown()
    write_certificate(house.instance, "new.example")
    worker.configure({"service.imap.maxsessions": 3000})
    worker.signal(signal.SIGHUP)
    worker.until(lambda report: report["max_sessions"] == 3000)
    assert shown() != before


def test_too_few_descriptors_lower_the_maximum_of_sessions(house: House) -> None:
    worker = house.start(descriptors=300)
    # 128 in reserve and 10 of the service's own.
    assert worker.first["max_sessions"] == 300 - 138
    assert worker.first["descriptor_limit"] == 300
    assert "too few file descriptors" in worker.log()


def test_a_commit_in_one_worker_wakes_an_idle_client_of_another(house: House) -> None:
    first = house.start()
    idle = house.greeted()
    first.until(lambda report: report["sessions"] == 1)
    first.signal(signal.SIGUSR1)  # so that the next client comes to the other worker
    first.until(lambda report: report["state"] == "draining")
    house.start()
    writer = house.greeted()
    assert idle.ask(b"idle") == b"idling"
    for _ in range(3):
        assert writer.ask(b"tell") == b"told"
        assert idle.line() == b"changed"


def test_a_key_that_does_not_fit_is_a_configuration_error(house: House) -> None:
    write_certificate(house.instance, key_only=True)
    with pytest.raises(AssertionError, match="does not fit the certificate"):
        house.start()
    assert "ConfigError" in (house.instance / "log-0").read_text()
