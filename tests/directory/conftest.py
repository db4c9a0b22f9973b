"""The directory servers, one of each kind for all tests that do not stop it, and back ends that ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.directory.configuration_room import Room
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer
from tests.directory.stand import Stand

MakeStand = Callable[..., Stand]


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("slapd", "dirsrv")],
)
def server(request: pytest.FixtureRequest) -> DirectoryServer:
    """Each of the two: what is tested with it is tested with both."""
    found: DirectoryServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def room(server: DirectoryServer) -> Room:
    """A place for settings in each of the two."""
    return Room(server)


@pytest.fixture
def make_stand(tmp_path: Path) -> Iterator[MakeStand]:
    """Makes back ends: `make_stand(url, ..., **{setting name: value})`."""
    made: list[Stand] = []

    def make(*hosts: str, **values: Any) -> Stand:
        made.append(Stand(tmp_path, *hosts, **values))
        return made[-1]

    yield make
    for each in made:
        each.directory.close()


@pytest.fixture
def stand(server: DirectoryServer, make_stand: MakeStand) -> Stand:
    """A back end that asks the server."""
    return make_stand(server.url)


@pytest.fixture
def relays(server: DirectoryServer) -> Iterator[tuple[Relay, Relay]]:
    """Two ways to the server that can be made to fail."""
    made = Relay(server.port), Relay(server.port)
    yield made
    for each in made:
        each.die()
