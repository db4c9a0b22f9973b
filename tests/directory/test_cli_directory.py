"""nmsd directory and nmsd explain, as an administrator runs them: six planted mistakes, each found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import cli
from nmsd.directory.ldap import FLUSH_FILE
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN, password
from tests.directory.servers import DirectoryServer, free_ports


class Desk:
    """An instance without a running server, and the command."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "instance"
        made = self.run("init", str(self.path), "--domain", "example.com", "--port-offset", "10000", instance=False)
        assert made.exit_code == 0, made.output

    def run(self, *arguments: str, instance: bool = True, input: str = "") -> Result:
        """Runs nmsd."""
        where = ["-I", str(self.path)] if instance else []
        return CliRunner().invoke(cli, [*where, *arguments], input=input, catch_exceptions=False)

    def set(self, **values: str) -> None:
        """Changes settings; `__` stands for the dot."""
        for name, value in values.items():
            done = self.run("config", "set", name.replace("__", "."), value)
            assert done.exit_code == 0, done.output

    def explain(self, *arguments: str, input: str = "") -> dict[str, Any]:
        """What `nmsd explain login` says."""
        done = self.run("explain", "login", *arguments, "--json", input=input)
        told: dict[str, Any] = json.loads(done.output)
        assert done.exit_code == (0 if told["admitted"] else 1)
        return told


@pytest.fixture
def desk(server: DirectoryServer, tmp_path: Path) -> Desk:
    """An instance whose users are in the server."""
    desk = Desk(tmp_path)
    desk.set(
        local__ugldapbasedn=PEOPLE,
        local__ugldapbinddn=SERVICE_DN,
        local__ugldapbindcred=SECRET,
        local__ugldaphost=server.url,
        local__serveruid="root",
    )
    return desk


def test_the_directory_is_tried_step_by_step(desk: Desk, server: DirectoryServer) -> None:
    done = desk.run("directory", "test")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == server.url
    steps = ["connect", "TLS", "bind", "base", "search", "push"]
    assert [line.split()[1] for line in lines[1:-1]] == [f"{step}:" for step in steps]
    assert ("persistent search" if server.name == "389-ds" else "content synchronisation") in lines[-2]
    assert " ms)" in lines[1]
    told = json.loads(desk.run("directory", "test", "--json").output)
    assert told["good"] is True
    assert [step["what"] for step in told["servers"][0]["steps"]] == steps


def test_every_server_is_tried_and_what_fails_is_told(desk: Desk, server: DirectoryServer) -> None:
    [port] = free_ports(1)
    desk.set(local__ugldaphost=f"ldap://127.0.0.1:{port}, {server.tls_url}, {server.url}", local__ugldapbindcred="no")
    told = json.loads(desk.run("directory", "test", "--json").output)
    last = [server["steps"][-1] for server in told["servers"]]
    assert [(step["what"], step["good"]) for step in last] == [("connect", False), ("connect", False), ("bind", False)]
    assert "refused" in last[0]["found"]
    assert "certificate" in last[1]["found"]
    assert "invalidCredentials" in last[2]["found"]
    assert desk.run("directory", "test").exit_code == 1


def test_the_embedded_directory_is_tried_as_well(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.set(local__serveruid="root")
    done = desk.run("directory", "test")
    assert done.exit_code == 0, done.output
    assert "0 users" in done.output
    told = desk.explain("alice")
    assert told["reason"] == "nobody has this login name"


def test_a_flush_touches_the_file_that_workers_look_at(desk: Desk) -> None:
    assert desk.run("directory", "flush").exit_code == 0
    path = desk.path / FLUSH_FILE
    first = path.stat().st_mtime_ns
    assert desk.run("directory", "flush").exit_code == 0
    assert path.stat().st_mtime_ns > first


def test_a_good_login_is_explained(desk: Desk) -> None:
    told = desk.explain("postmaster", "--service", "imaps", "--password-stdin", input=password("alice") + "\n")
    assert told["admitted"] is True
    facts = {step["what"]: step["found"] for step in told["steps"]}
    assert facts["filter"].count("postmaster") == 4 - 1
    assert facts["mail"] == "Alice@Example.com"
    assert facts["status"] == "active"
    assert facts["password"] == "it is right"
    assert "userpassword" not in facts
    assert desk.run("explain", "login", "alice").output.splitlines()[-1].split()[:2] == ["ok", "result:"]


@pytest.mark.parametrize(
    ("settings", "arguments", "what", "reason"),
    [
        ({"local__ugldapbindcred": "mistyped"}, ["alice"], "bind", "no directory server could be asked"),
        ({"local__ugldapbasedn": "ou=Peopel,dc=example,dc=com"}, ["alice"], "failure", "no directory server"),
        ({"local__ugattr__uid": "employeeNumber"}, ["user1"], "entry", "nobody has this login name"),
        ({}, ["carol"], "search", "nobody has this login name"),
        ({}, ["twin"], "entry", "is both"),
        ({}, ["zero"], "entry", "quota of 0"),
        ({}, ["held"], "status", "This account is hold"),
        ({}, ["faraway"], "mail host", "mail2.example.net"),
        ({}, ["popless", "--service", "pop"], "denied services", "may not use this service"),
        ({}, ["imapsonly"], "access rules", "may not use this service from there"),
        ({}, ["office", "--from", "203.0.113.9"], "access domains", "may not be used from there"),
        ({"service__imap__enable": "no"}, ["alice"], "service", "service.imap.enable is no"),
        ({"service__imap__plaintextmincipher": "128"}, ["alice"], "cipher rule", "over TLS with at least 128 bits"),
    ],
)
def test_a_mistake_is_found(desk: Desk, settings: dict[str, str], arguments: list[str], what: str, reason: str) -> None:
    desk.set(**settings)
    told = desk.explain(*arguments)
    assert told["admitted"] is False
    assert reason in told["reason"]
    assert what in [step["what"] for step in told["steps"] if step["good"] is False]


def test_a_server_that_fails_is_passed_over_and_told(desk: Desk, server: DirectoryServer) -> None:
    [port] = free_ports(1)
    desk.set(local__ugldaphost=f"ldap://127.0.0.1:{port}, {server.url}")
    told = desk.explain("alice")
    assert told["admitted"] is True
    assert [step["what"] for step in told["steps"] if step["good"] is False] == ["connect"]


def test_a_wrong_password_is_told(desk: Desk) -> None:
    told = desk.explain("alice", "--password-stdin", input="wrong\n")
    assert told["reason"] == "the password: wrong password"
