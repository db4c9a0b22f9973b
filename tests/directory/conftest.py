"""The directory servers, one of each kind for all tests that do not stop it, and back ends that ask them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.directory.authority import Authority
from tests.directory.relay import Relay
from tests.directory.servers import DirectoryServer, Dirsrv, Slapd
from tests.directory.stand import Stand

MakeStand = Callable[..., Stand]


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    """The authority that signed the servers' certificates."""
    folder = _folder()
    yield Authority(folder, "test-ca")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def slapd(authority: Authority) -> Iterator[Slapd]:
    """OpenLDAP."""
    yield from _running(Slapd, authority)


@pytest.fixture(scope="session")
def dirsrv(authority: Authority) -> Iterator[Dirsrv]:
    """389 Directory Server."""
    yield from _running(Dirsrv, authority)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("slapd", "dirsrv")],
)
def server(request: pytest.FixtureRequest) -> DirectoryServer:
    """Each of the two: what is tested with it is tested with both."""
    found: DirectoryServer = request.getfixturevalue(request.param)
    return found


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


def _running(kind: type[Slapd] | type[Dirsrv], authority: Authority) -> Iterator[Any]:
    folder = _folder()
    server = kind(folder, authority, authority.issue(f"{kind.name}-server", "localhost", "127.0.0.1"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """A folder that other users' processes may pass through, with a short path, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nmsd-ldap-"))
    folder.chmod(0o755)
    return folder
