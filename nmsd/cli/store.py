"""The store, as a subcommand opens it, and the account a user names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nmsd.cli.instance import Instance
from nmsd.model.errors import AmbiguousEntry, DirectoryError, NmsdError

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import Directory, User
    from nmsd.store.api import Account, Announce, Store


@dataclass(frozen=True)
class OpenStore:
    """The store and the configuration it was opened with."""

    config: Config
    store: Store

    def account(self, name: str, must_exist: bool = True) -> Account:
        """The account that NAME means: an account's name, with or without the domain, or any login or address of its
        user.  Raises NmsdError if there is none; without `must_exist`, one of a user who never got mail is made."""
        for candidate in self._candidates(name):
            account = self.store.account(candidate)
            if account.exists():
                return account
        user = self._user(name)
        if user is None:
            raise NmsdError(f"there is no account {name}, and no user; `nmsd account list` shows those there are")
        account = self.store.account(user.account)
        if not account.exists():
            if must_exist:
                raise NmsdError(f"{name} has no account yet; the first login or message makes it")
            account.ensure(partition=user.partition)
        return account

    def _candidates(self, name: str) -> list[str]:
        from nmsd.config.services import DEFAULT_DOMAIN

        domain = self.config[DEFAULT_DOMAIN]
        lowered = name.lower()
        return [lowered] if "@" in name or not domain else [f"{lowered}@{domain}", lowered]

    def directory(self) -> Directory:
        """The users' directory."""
        from nmsd.app import open_directory
        from nmsd.log import open_log
        from nmsd.store.runtime import PlainRuntime

        return open_directory(self.config, PlainRuntime(), open_log(self.config, "nmsd"))

    def orphans(self) -> list[str]:
        """The accounts of users who are no more.  Raises DirectoryUnavailable, and NmsdError where the directory shows
        no user at all: then it is more likely that its settings are wrong."""
        directory = self.directory()
        users = {user.account for user in directory.accounts()}
        if not users:
            raise NmsdError("the directory shows no user at all; `nmsd directory test` tells more")
        # An entry that cannot be understood, or two with one address, are left out of the list: they are asked for.
        return [name for name in self.store.accounts() if name not in users and not self._is_somebody(directory, name)]

    def _is_somebody(self, directory: Directory, account: str) -> bool:
        try:
            user = directory.find(account)
        except DirectoryError as error:
            if isinstance(error, AmbiguousEntry):
                return True
            raise
        return user is not None and user.account == account

    def _user(self, name: str) -> User | None:
        directory = self.directory()
        return directory.find(name) or directory.find_recipient(self._candidates(name)[0])


@contextmanager
def opened_store(instance: Instance) -> Iterator[OpenStore]:
    """The instance's store; what is written in it is told to running workers."""
    from nmsd.app import open_store
    from nmsd.store.runtime import PlainRuntime

    config = instance.config()
    store = open_store(config, PlainRuntime(), _announce(config))
    try:
        yield OpenStore(config, store)
    finally:
        store.close()


def _announce(config: Config) -> Announce:
    from nmsd.app import open_announcer
    from nmsd.store.runtime import unheard
    from nmsd.supervisor.pidfile import running_pid

    if running_pid(config.instance) and os.access(os.path.join(config.instance, "run", "board"), os.W_OK):
        return open_announcer(config)
    return unheard
