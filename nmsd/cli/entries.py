"""The settings in the directory, asked for by a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nmsd.cli.directory import unlogged
from nmsd.config.entries import Entries, asked_attributes

if TYPE_CHECKING:
    from nmsd.config.load import Loaded
    from nmsd.directory.config_entries import ConfigDirectory
    from nmsd.directory.ldap_link import Account


@contextmanager
def opened(loaded: Loaded, account: Account | None = None) -> Iterator[ConfigDirectory]:
    """The configuration directory, asked as the server's user; `account` is who binds, if not the server."""
    from nmsd.directory.config_entries import ConfigDirectory
    from nmsd.supervisor.privileges import as_server_user

    with as_server_user(loaded):
        directory = ConfigDirectory(loaded.config, unlogged, account)
        try:
            yield directory
        finally:
            directory.close()


def fetch_entries(loaded: Loaded) -> Entries:
    """The entries as they are now.  Raises ConfigError, DirectoryUnavailable."""
    from nmsd.settings import SECTIONS

    with opened(loaded) as directory:
        return directory.read(asked_attributes(setting for section in SECTIONS for setting in section.settings))
