"""The clients' server three times: its users in the embedded directory, in OpenLDAP, and in 389 Directory Server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.clients.harness import Instance, Person, instance_directory
from tests.directory.people import PEOPLE, SECRET, SERVICE_DN, person
from tests.directory.servers import DirectoryServer

QUICK: Final = ("test_imaplib", "test_poplib")
"""What is run with OpenLDAP every day; the rest, and all with 389, is slow and left to CI."""


class LdapPeople:
    """Users in a directory server."""

    def __init__(self, server: DirectoryServer) -> None:
        self._server = server

    def settings(self) -> dict[str, object]:
        """As harness.People says."""
        return {
            "local.ugldapbasedn": PEOPLE,
            "local.ugldapbinddn": SERVICE_DN,
            "local.ugldapbindcred": SECRET,
            "local.ugldaphost": self._server.url,
        }

    def add(self, new: Person) -> None:
        """As harness.People says."""
        self._server.add(person(new.name, mail=new.address, plain=new.password))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "instance" not in metafunc.fixturenames:
        return
    kinds = [pytest.param("ldif")]
    for name in ("slapd", "dirsrv"):
        is_quick = name == "slapd" and metafunc.module.__name__.rpartition(".")[2] in QUICK
        marks = [pytest.mark.xdist_group(name), *([] if is_quick else [pytest.mark.slow])]
        kinds.append(pytest.param(name, marks=marks))
    metafunc.parametrize("users_in", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def users_in(request: pytest.FixtureRequest) -> str:
    """Which directory the users are in."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def instance(request: pytest.FixtureRequest, users_in: str) -> Iterator[Instance]:
    """One running server for all tests with this directory that do not change its settings or stop it."""
    people = None if users_in == "ldif" else LdapPeople(request.getfixturevalue(users_in))
    with instance_directory() as directory:
        server = Instance.make(directory, people=people)
        server.start()
        yield server
        server.stop()
