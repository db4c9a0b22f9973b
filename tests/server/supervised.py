"""A supervised instance for a test: free ports, a configuration, the supervisor's process, and clients."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nmsd.supervisor.control import request

ROOT = Path(__file__).resolve().parents[2]
SUPERVISE = Path(__file__).with_name("supervise.py")
PATIENCE_S = 20.0

T = TypeVar("T")


def free_port() -> int:
    """A port that nothing listens on, outside the range that the system gives to clients."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def until(probe: Callable[[], T | None], what: str = "it") -> T:
    """What `probe` gives as soon as it gives something; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


class Client:
    """A client of a stand-in worker; `hello` is what that said of itself."""

    def __init__(self, port: int | str) -> None:
        if isinstance(port, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE_S)
            self.socket.connect(port)
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._file = self.socket.makefile("rb")
        self.hello: dict[str, Any] = json.loads(self.line())

    def line(self) -> bytes:
        return self._file.readline()

    def say(self, text: str) -> bytes:
        self.socket.sendall(text.encode() + b"\r\n")
        try:
            return self.line()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class Instance:
    """An instance's directory and, once started, its supervisor."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {name: free_port() for name in ("imap", "pop", "lmtp")}
        self.settings: dict[str, object] = {
            "service.listenaddr": "127.0.0.1",
            "encryption.nscertfile": "",
            "local.serveruid": "root",
            "local.stoptimeout": 5,
        }
        for name, port in self.ports.items():
            self.settings[f"service.{name}.port"] = port
            self.settings[f"service.{name}.enablesslport"] = "no"
        self.process: subprocess.Popen[str] | None = None
        self.clients: list[Client] = []
        (directory / "etc").mkdir(parents=True)
        self.write()

    def write(self, **changes: object) -> None:
        """Writes the configuration; `service__imap__port=1` changes service.imap.port."""
        self.settings.update({name.replace("__", "."): value for name, value in changes.items()})
        text = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        (self.directory / "etc/nmsd.conf").write_text(text)

    def start(
        self,
        *overrides: str,
        wait: bool = True,
        wrap: tuple[str, ...] = (),
        python: str = sys.executable,
        **environ: str,
    ) -> None:
        self.process = subprocess.Popen(
            [*wrap, python, str(SUPERVISE), str(self.directory), *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **python_path(python), **environ},
        )
        if wait:
            until(lambda: self.status().get("state") == "running", "the server to run")

    def status(self) -> dict[str, Any]:
        try:
            return request(str(self.directory), {"command": "status"})
        except Exception:
            assert self.process is None or self.process.poll() is None, self.process.communicate()[1]
            return {}

    def ask(self, command: str, **more: str) -> dict[str, Any]:
        return request(str(self.directory), {"command": command, **more})

    def service(self, name: str) -> dict[str, Any]:
        return next(found for found in self.status()["services"] if found["name"] == name)

    def workers(self, name: str, state: str = "ready") -> list[int]:
        return [worker["pid"] for worker in self.service(name)["workers"] if worker["state"] == state]

    def client(self, name: str = "imap") -> Client:
        client = Client(self.ports[name])
        self.clients.append(client)
        return client

    def try_client(self, name: str) -> Client | None:
        assert self.process is not None
        assert self.process.poll() is None, self.process.communicate()[1]
        try:
            return self.client(name)
        except ConnectionRefusedError:
            return None

    def log(self) -> str:
        path = self.directory / "log/nmsd.log"
        return path.read_text() if path.exists() else ""

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """The supervisor's exit status and standard error."""
        assert self.process is not None
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors

    def close(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()


def python_for(uid: int) -> str:
    """A Python that this user may run, with all that a stand-in worker imports."""
    for python in (sys.executable, "/usr/bin/python3"):
        environ = {**os.environ, **python_path(python)}
        command = [python, "-c", "import nmsd.settings, configobj"]
        try:
            if subprocess.run(command, env=environ, user=uid, cwd="/", capture_output=True).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no Python here that another user may run")


def python_path(python: str) -> dict[str, str]:
    """Where another Python of the same version finds what the tests have installed."""
    paths = [str(ROOT)] if python == sys.executable else [str(ROOT), sysconfig.get_path("purelib")]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
