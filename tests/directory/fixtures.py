"""The directory servers, one of each kind for all tests that do not stop it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.directory.authority import Authority
from tests.directory.servers import Dirsrv, Slapd


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
