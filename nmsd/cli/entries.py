"""The settings in the directory, asked for by a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nmsd.cli.directory import unlogged
from nmsd.config.entries import Entries, asked_attributes

if TYPE_CHECKING:
    from nmsd.config.load import Loaded
    from nmsd.directory.config_entries import ConfigDirectory
    from nmsd.directory.ldap_link import Account


def open_entries(loaded: Loaded, account: Account | None = None) -> ConfigDirectory:
    """The configuration directory; run by root, the process is the server's user from now on, for what a directory
    answers is no business of root's."""
    from nmsd.directory.config_entries import ConfigDirectory
    from nmsd.supervisor.privileges import become_server_user

    become_server_user(loaded)
    return ConfigDirectory(loaded.config, unlogged, account)


def fetch_entries(loaded: Loaded) -> Entries:
    """The entries as they are now.  Raises ConfigError, DirectoryUnavailable."""
    from nmsd.settings import SECTIONS

    directory = open_entries(loaded)
    try:
        return directory.read(asked_attributes(setting for section in SECTIONS for setting in section.settings))
    finally:
        directory.close()
