"""The commands that start, stop, reload and look at a server, with the server as it is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.supervised import ROOT, free_port, until


class Nmsd:
    """An instance, and the command to work on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {name: free_port() for name in ("imap", "pop", "lmtp")}

    def __call__(self, *arguments: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nmsd", "-I", str(self.directory), *arguments],
            input=given,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        )

    def good(self, *arguments: str, given: str = "") -> str:
        result = self(*arguments, given=given)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def make(self) -> None:
        self.good("init", str(self.directory), "--bind", "127.0.0.1", "--domain", "example.org")
        values = {f"service.{name}.port": str(port) for name, port in self.ports.items()}
        values |= {f"service.{name}.enablesslport": "no" for name in self.ports}
        values |= {"service.console.enable": "no", "local.serveruid": "root", "local.stoptimeout": "5"}
        with open(self.directory / "etc/nmsd.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in values.items())
        self.good("user", "add", "alice", "--password-stdin", given="secret\n")

    def connect(self, name: str) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.ports[name]), timeout=20)
        assert sock.recv(4096).endswith(b"\r\n")
        return sock

    def status(self) -> dict[str, object]:
        return json.loads(self("status", "--json").stdout)


@pytest.fixture
def nmsd(tmp_path: Path) -> Iterator[Nmsd]:
    nmsd = Nmsd(tmp_path / "instance")
    nmsd.make()
    yield nmsd
    nmsd("stop")


def test_a_server_is_started_looked_at_reloaded_restarted_and_stopped(nmsd: Nmsd) -> None:
    assert nmsd("status").returncode == 3
    assert "nmsd runs (pid" in nmsd.good("start")
    assert "already runs" in nmsd("start").stderr
    with nmsd.connect("imap") as client:
        client.sendall(b"a LOGIN alice secret\r\n")
        assert b"a OK" in client.recv(4096)
        status = until(lambda: (s := nmsd.status()) and s["services"][0]["workers"][0]["sessions"] and s, "the session")
        assert status["state"] == "running"
        worker = status["services"][0]["workers"][0]
        assert worker["sessions"] == 1
        assert worker["max_sessions"] == 4000
        assert worker["memory"] > 0
        assert 0 < worker["descriptors"] < worker["descriptor_limit"]
        assert f"127.0.0.1:{nmsd.ports['pop']}" in nmsd.good("status")

        nmsd.good("config", "set", "service.imap.banner", "fresh")
        assert nmsd.good("reload") == "the new settings are in force\n"
        with nmsd.connect("imap") as other:
            other.sendall(b"b NOOP\r\n")
            assert b"b OK" in other.recv(4096)
        client.sendall(b"c NOOP\r\n")
        assert b"c OK" in client.recv(4096)

        pid = nmsd.status()["pid"]
        assert nmsd.good("restart") == "nmsd is restarted\n"
        assert b"BYE" in client.recv(4096)
        assert nmsd.status()["pid"] == pid
    nmsd.connect("imap").close()
    assert nmsd.good("stop") == "nmsd is stopped\n"
    assert nmsd("stop").returncode == 1
    assert nmsd.good("restart").startswith("nmsd did not run; it does now")


def test_one_service_is_stopped_and_started(nmsd: Nmsd) -> None:
    nmsd.good("start")
    assert nmsd.good("stop", "pop") == "pop is stopped\n"
    with pytest.raises(ConnectionRefusedError):
        nmsd.connect("pop")
    assert nmsd.good("start", "pop") == "pop is started\n"
    nmsd.connect("pop").close()
    result = nmsd("start", "smtp")
    complaint = "nmsd: there is no service smtp; there are imap, pop, lmtp, console\n"
    assert (result.returncode, result.stderr) == (1, complaint)


def test_a_start_with_anything_wrong_tells_all_and_starts_nothing(nmsd: Nmsd) -> None:
    conf = nmsd.directory / "etc/nmsd.conf"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", nmsd.ports["lmtp"]))
        taken.listen()
        conf.write_text(conf.read_text() + "service.imap.maxsessions = 0\nservice.imap.maxthread = 3\n")
        for command in ("start", "run"):
            result = nmsd(command)
            assert result.returncode == 2
            lines = result.stderr.splitlines()
            assert len(lines) == 3, lines
            assert all(line.startswith(f"nmsd: {conf}:") for line in lines)
            assert "did you mean service.imap.maxthreads?" in result.stderr
            assert "is in use by another program" in result.stderr
    assert nmsd("status").returncode == 3


def test_a_reload_with_anything_wrong_tells_all_and_the_server_goes_on(nmsd: Nmsd) -> None:
    nmsd.good("start")
    conf = nmsd.directory / "etc/nmsd.conf"
    whole = conf.read_text()
    conf.write_text(whole[: len(whole) // 2])
    result = nmsd("reload")
    assert result.returncode == 2
    assert "the file is cut off" in result.stderr
    assert nmsd("restart").returncode == 2
    nmsd.connect("imap").close()
    conf.write_text(whole)
    nmsd.good("reload")
    assert nmsd.good("config", "check") == "all is well\n"  # the ports in use are its own


def test_a_setting_that_needs_a_restart_is_named_at_the_reload(nmsd: Nmsd) -> None:
    nmsd.good("start")
    nmsd.good("config", "set", "local.servergid", "0")
    assert "local.servergid changes at `nmsd restart` only" in nmsd.good("reload")


def test_a_server_in_the_foreground_tells_what_it_does_and_ends_with_ctrl_c(nmsd: Nmsd) -> None:
    command = [sys.executable, "-m", "nmsd", "-I", str(nmsd.directory), "run", "-o", "service.pop.enable=no"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4)]
        assert lines[0].startswith("nmsd ")
        assert lines[1].startswith(f"  imap: 127.0.0.1:{nmsd.ports['imap']}, 1 process")
        assert lines[2].startswith("  lmtp: ")
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert server.returncode == 0
    assert "General Notice: stopped" in errors


def test_mailboxes_and_accounts_are_managed_while_the_server_runs(nmsd: Nmsd) -> None:
    nmsd.good("start")
    assert nmsd("mailbox", "list", "bob").stderr.startswith("nmsd: there is no account bob")
    assert "has no account yet" in nmsd("mailbox", "list", "alice").stderr
    assert nmsd.good("mailbox", "create", "alice", "Work/2026", "--use", "Archive") == "created Work/2026\n"
    rows = {row["name"]: row for row in json.loads(nmsd.good("mailbox", "list", "ALICE@example.org", "--json"))}
    assert rows["Work/2026"]["special_use"] == ["\\Archive"]
    assert {"INBOX", "Work", "Sent"} <= set(rows)
    nmsd.good("mailbox", "rename", "alice", "Work/2026", "Work/2027")
    assert nmsd("mailbox", "rename", "alice", "none", "x").returncode == 1
    message = "From: a@example.net\nSubject: hello\n\nhello\n"
    nmsd.good("deliver", "alice", given=message)
    assert "Erase INBOX" not in nmsd("mailbox", "delete", "alice", "Work/2027", given="").stdout
    assert json.loads(nmsd.good("account", "list", "--json"))[0]["messages"] == 1
    assert nmsd.good("check") == "1 account checked: clean\n"
    assert json.loads(nmsd.good("check", "alice", "--json"))["clean"] is True
    assert nmsd("account", "remove", "alice", given="n\n").returncode == 130
    assert nmsd.good("account", "remove", "alice", "--yes") == "removed alice@example.org\n"
    assert nmsd.good("account", "list") == "ACCOUNT  MESSAGES  BYTES  PARTITION\n"


def test_check_tells_of_damage_with_status_1(nmsd: Nmsd) -> None:
    nmsd.good("deliver", "alice", given="From: a@example.net\nSubject: hello\n\n" + "hello\n" * 2000)
    (path,) = (nmsd.directory / "store").rglob("alice@example.org.db")
    data = bytearray(path.read_bytes())
    assert nmsd.good("check") == "1 account checked: clean\n"
    middle = len(data) - 3000
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    result = nmsd("check")
    assert result.returncode == 1
    assert "alice@example.org" in result.stdout
