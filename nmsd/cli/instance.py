"""The instance a subcommand works on, and its configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nmsd.model.errors import NmsdError

if TYPE_CHECKING:
    from nmsd.config.entries import Entries
    from nmsd.config.load import Loaded
    from nmsd.config.setting import Config


class Instance:
    """What -I and NMSD_INSTANCE say."""

    def __init__(self, directory: str | None) -> None:
        self._directory = directory

    @property
    def directory(self) -> str:
        """Its absolute path.  Raises NmsdError if none was given or it is none."""
        if not self._directory:
            raise NmsdError("which instance? give -I DIR or set NMSD_INSTANCE; `nmsd init DIR` makes one")
        path = os.path.abspath(self._directory)
        if not os.path.isfile(os.path.join(path, "etc", "nmsd.conf")):
            raise NmsdError(f"{path} is no instance: it has no etc/nmsd.conf; `nmsd init {path}` makes one")
        return path

    def read(self, overrides: Sequence[str] = (), entries: Entries | None = None) -> Loaded:
        """The configuration with what is wrong in it; what is in the directory as `entries` or else the local copy
        say."""
        from nmsd.config.load import read
        from nmsd.settings import SECTIONS

        return read(self.directory, SECTIONS, environ=os.environ, overrides=overrides, entries=entries)

    def read_asking(self, overrides: Sequence[str] = ()) -> tuple[Loaded, str]:
        """The configuration with what the directory says now, or its copy, and then why it could not be asked.  Raises
        ConfigError for entries that are not there."""
        from nmsd.cli.entries import fetch_entries
        from nmsd.config.directory import HOSTS
        from nmsd.model.errors import DirectoryUnavailable

        loaded = self.read(overrides)
        if not loaded.config[HOSTS]:
            return loaded, ""
        try:
            return self.read(overrides, fetch_entries(loaded)), ""
        except DirectoryUnavailable as error:
            return loaded, str(error)

    def config(self) -> Config:
        """The configuration, for a command that works on the instance's files.  Raises ConfigError when anything is
        wrong in it.

        Run by root, the process is the server's user from now on: what it writes has to belong to that one, or workers
        could not open it.
        """
        from nmsd.config.load import lacking
        from nmsd.config.problem import ConfigError
        from nmsd.supervisor.privileges import become_server_user

        loaded = self.read()
        if loaded.lacks_entries:
            loaded, why = self.read_asking()
            if why:
                raise ConfigError([lacking(loaded, why)])
        if loaded.problems:
            raise ConfigError(loaded.problems)
        become_server_user(loaded)
        return loaded.config


pass_instance = click.make_pass_decorator(Instance)
