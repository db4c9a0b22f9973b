"""What every test may use: real components that are there or said to be missing, and running instances."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Person, instance_directory

Maker = Callable[..., Instance]

pytest_plugins = ["tests.directory.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in the background ignore it
    config.addinivalue_line("markers", "needs(*programs): runs real programs, which must be installed")
    config.addinivalue_line("markers", "slow: takes more than ten seconds; left out unless CI or --slow says otherwise")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if in_ci() or config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow; --slow runs it"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            require(program)


def in_ci() -> bool:
    """Whether this run decides whether something lands: there a missing component is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def require(program: str) -> str:
    """The path of a program; without it the test is skipped, and in CI fails."""
    path = shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if path is not None:
        return path
    missing(program)
    raise AssertionError


def missing(component: str) -> None:
    """Ends the test because `component` is not there: a skip, and in CI a failure."""
    if in_ci():
        pytest.fail(f"{component} is not installed, and CI leaves nothing out")
    pytest.skip(f"{component} is not installed")


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """One running server for all tests that do not change its settings or stop it."""
    with instance_directory() as directory:
        server = Instance.make(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def person(instance: Instance) -> Person:
    """A new user of the running server, with an empty INBOX."""
    return instance.add_user()


@pytest.fixture
def make_instance() -> Iterator[Maker]:
    """Makes servers of the test's own: `make_instance(**{"service.imap.maxsessions": 3})` gives a started one."""
    made: list[Instance] = []
    with instance_directory() as directory:

        def make(*, start: bool = True, **settings: object) -> Instance:
            server = Instance.make(directory / str(len(made)), settings)
            made.append(server)
            if start:
                server.start()
            return server

        yield make
        for server in made:
            server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds to a failure what the servers it used wrote to their logs."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Instance):
                report.sections.append((f"log of {name}", value.log()[-8000:]))
    return report


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home directory for a client program."""
    path = tmp_path / "home"
    path.mkdir()
    return path
