"""nmsd account: accounts whose user is gone from the directory, and partitions as users' entries name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmsd.app import open_store
from nmsd.config.load import load
from nmsd.settings import SECTIONS
from nmsd.store.api import Store
from nmsd.store.runtime import PlainRuntime, unheard
from tests.directory.people import PEOPLE, person
from tests.directory.servers import DirectoryServer, free_ports
from tests.directory.test_cli_directory import Desk, desk

__all__ = ["desk"]

GHOSTS = ["ghost@example.com", "spook@example.com"]


def store(desk: Desk) -> Store:
    """The instance's store."""
    config = load(str(desk.path), SECTIONS, environ={}).config
    return open_store(config, PlainRuntime(), unheard)


@pytest.fixture
def stored(desk: Desk) -> Desk:
    """Accounts of two users, of one whose entry is wrong, of two who are both twin@example.com, and of nobody."""
    opened = store(desk)
    for name in ("user1@example.com", "robert@other.org", "twin@example.com", *GHOSTS):
        opened.account(name).ensure()
    opened.close()
    return desk


def names(desk: Desk, *arguments: str) -> list[str]:
    """The accounts listed."""
    done = desk.run("account", "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [account["name"] for account in json.loads(done.output)]


def test_orphans_are_the_accounts_that_no_entry_is_there_for(stored: Desk) -> None:
    assert names(stored, "--orphans") == GHOSTS
    assert len(names(stored)) == 5


def test_orphans_are_removed_only_when_told(stored: Desk) -> None:
    asked = stored.run("account", "remove", "--orphans", input="n\n")
    assert asked.exit_code != 0
    assert "ghost@example.com" in asked.output
    assert "Erase these 2 accounts" in asked.output
    assert len(names(stored)) == 5
    assert stored.run("account", "remove").exit_code == 2
    assert stored.run("account", "remove", "--orphans", "user1@example.com").exit_code == 2
    done = stored.run("account", "remove", "--orphans", "--yes")
    assert done.exit_code == 0, done.output
    assert names(stored) == ["robert@other.org", "twin@example.com", "user1@example.com"]
    assert "no account is an orphan" in stored.run("account", "remove", "--orphans").output


def test_nobody_is_an_orphan_while_the_directory_is_away(stored: Desk) -> None:
    [port] = free_ports(1)
    stored.set(local__ugldaphost=f"ldap://127.0.0.1:{port}")
    for command in (["list", "--orphans"], ["remove", "--orphans", "--yes"]):
        done = stored.run("account", *command)
        assert done.exit_code == 1
        assert "no directory server answers" in done.output
    assert len(names(stored)) == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"local__ugldapfilter": "(objectClass=nonesuch)"},
        {"local__ugldapbasedn": "ou=Nowhere,dc=example,dc=com"},
        {"local__ugldapbindcred": "mistyped"},
    ],
)
def test_nobody_is_an_orphan_where_the_directory_shows_nobody(stored: Desk, settings: dict[str, str]) -> None:
    stored.set(**settings)
    done = stored.run("account", "remove", "--orphans", "--yes")
    assert done.exit_code == 1
    assert "removed" not in done.output
    assert len(names(stored)) == 5


def test_a_new_account_is_made_in_the_partition_its_entry_names(
    desk: Desk, server: DirectoryServer, tmp_path: Path
) -> None:
    desk.set(store__partition__archive__path=str(tmp_path / "archive"))
    server.add(person("archived", "mailMessageStore: Archive") + person("misplaced", "mailMessageStore: fast"))
    try:
        assert desk.run("mailbox", "create", "archived", "Old").exit_code == 0
        done = desk.run("mailbox", "create", "misplaced", "Old")
        assert done.exit_code == 1
        assert "store.partition.fast.path" in done.output
        [line] = [line for line in desk.run("account", "list").output.splitlines() if "archived" in line]
        assert line.split()[-1] == "archive"
        assert len(list((tmp_path / "archive").rglob("*.db"))) == 1
        moved = desk.run("account", "move", "archived", "primary")
        assert moved.exit_code == 0, moved.output
        assert list((tmp_path / "archive").rglob("*.db")) == []
        assert "Old" in desk.run("mailbox", "list", "archived").output
        assert desk.run("account", "move", "archived", "fast").exit_code == 1
    finally:
        with server.admin() as connection:
            for uid in ("archived", "misplaced"):
                connection.delete(f"uid={uid},{PEOPLE}")
