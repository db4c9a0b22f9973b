"""Fixtures: a running server with an administrator, and a client of its console."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.harness import Instance, Person, instance_directory
from tests.console.browser import Browser

ADMIN = Person("root")


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    """A server with an administrator, for one module's tests."""
    with instance_directory() as directory:
        server = Instance.make(directory, {"store.admins": ADMIN.name, "service.console.enable": "yes"})
        server.add_user(ADMIN.name)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def stranger(running: Instance) -> Browser:
    """Someone who has not logged in."""
    return Browser(running)


@pytest.fixture
def admin(running: Instance) -> Browser:
    """The administrator, logged in."""
    browser = Browser(running)
    assert browser.log_in(ADMIN).status == 200
    return browser
