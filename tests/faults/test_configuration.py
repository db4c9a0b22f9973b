"""A configuration that is wrong: all of it said at once, a line each, exit status 2, and nothing half started."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.harness import HOST, Instance, instance_directory


@pytest.fixture
def stopped() -> object:
    with instance_directory() as directory:
        yield Instance.make(directory)


def run(instance: Instance) -> tuple[int, list[str]]:
    """Starts the server, which is expected to refuse; its exit status and the lines of its complaint."""
    done = instance.nmsd("run", check=False)
    return done.returncode, [line for line in done.stderr.decode().splitlines() if line]


def edit(instance: Instance, change: Callable[[str], str]) -> None:
    instance.configuration.write_text(change(instance.configuration.read_text()))


def nothing_listens(instance: Instance) -> bool:
    for port in (24, 110, 143, 993, 995):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, instance.port(port))) == 0:
                return False
    return True


def test_a_file_cut_in_half_is_refused(stopped: Instance) -> None:
    # in the middle of the name of a setting
    edit(stopped, lambda text: text[: text.index("service.imap.port") + len("service.ima")])

    status, lines = run(stopped)

    assert status == 2
    assert lines
    assert str(stopped.configuration) in lines[0]
    assert nothing_listens(stopped)


def test_all_that_is_wrong_is_told_at_once(stopped: Instance) -> None:
    edit(
        stopped,
        lambda text: (
            text + "\nservice.imap.maxsessions = many\nservice.imap.maxthread = 5\nservice.pop.idletimeout = 0\n"
        ),
    )

    status, lines = run(stopped)

    assert status == 2
    told = "\n".join(lines)
    for word in ("service.imap.maxsessions", "many", "service.imap.maxthread", "service.pop.idletimeout"):
        assert word in told
    assert len(lines) == 3
    assert nothing_listens(stopped)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "imap"])
def test_a_port_that_is_none_is_refused(stopped: Instance, port: str) -> None:
    edit(stopped, lambda text: text.replace(f"service.imap.port = {stopped.port(143)}", f"service.imap.port = {port}"))

    status, [line] = run(stopped)

    assert status == 2
    assert "service.imap.port" in line
    assert "65535" in line


def test_two_services_on_one_port_are_refused(stopped: Instance) -> None:
    edit(stopped, lambda text: text.replace(str(stopped.port(110)), str(stopped.port(143))))

    status, lines = run(stopped)

    assert status == 2
    assert "service.pop.port" in "".join(lines)
    assert nothing_listens(stopped)


def test_a_port_in_use_is_refused(stopped: Instance) -> None:
    with socket.create_server((HOST, stopped.port(143))):
        status, lines = run(stopped)

    assert status == 2
    assert "service.imap.port" in "".join(lines)
    assert nothing_listens(stopped)


def test_a_missing_file_is_told(stopped: Instance) -> None:
    Path(stopped.configuration).unlink()

    done = stopped.nmsd("run", check=False)

    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
