"""The entries that hold a server's settings, read and changed by LDAP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from nmsd.config import directory as ours
from nmsd.config.entries import CHILDREN, SERVER_ENTRY, SHARED_ENTRY, Entries, Entry, Place
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Config, Setting
from nmsd.directory import ldap_settings as users
from nmsd.directory.ldap_link import Account, Link, NoEntry, Refusal
from nmsd.directory.ldap_servers import Servers

if TYPE_CHECKING:
    from nmsd.directory.runtime import Log

Edits = Mapping[str, Mapping[str, tuple[Sequence[str], Sequence[str]]]]
"""By entry and attribute, the values taken out and those put in."""

_PAIRS: Final[tuple[tuple[Setting[Any], Setting[Any]], ...]] = (
    (ours.HOSTS, users.HOSTS),
    (ours.PORT, users.PORT),
    (ours.USE_SSL, users.USE_SSL),
    (ours.START_TLS, users.START_TLS),
    (ours.TLS_VERIFY, users.TLS_VERIFY),
    (ours.TLS_CA, users.TLS_CA),
    (ours.TLS_CERTIFICATE, users.TLS_CERTIFICATE),
    (ours.TLS_KEY, users.TLS_KEY),
    (ours.BIND_METHOD, users.BIND_METHOD),
    (ours.CONNECT_TIMEOUT, users.CONNECT_TIMEOUT),
    (ours.TIMEOUT, users.TIMEOUT),
)
"""What says the same of the configuration directory and of the users'."""


class ConfigDirectory:
    """The directory that `config` names in local.ldap….  `account` is who binds, if not the server itself."""

    def __init__(self, config: Config, log: Log, account: Account | None = None) -> None:
        self._config = config
        self._seconds = config[ours.TIMEOUT]
        self._servers = Servers(_as_users_directory(config, account), log)

    def close(self) -> None:
        """Ends its connections."""
        self._servers.close()

    def read(self, attributes: Sequence[str], *, may_lack: bool = False) -> Entries:
        """The entries.  Raises DirectoryUnavailable, and ConfigError for one that is not there, unless that may be."""
        names: dict[Place, Setting[str]] = {SERVER_ENTRY: ours.SERVER_DN}
        if self._config[ours.SHARED_DN]:
            names[SHARED_ENTRY] = ours.SHARED_DN
        found: list[Entry] = []
        problems: list[Problem] = []
        for place, setting in names.items():
            try:
                found += self._servers.search(self._reader(place, self._config[setting], attributes))
            except NoEntry as error:
                mend = "correct it, or let the server read the entry; `nmsd config publish` makes one that is missing"
                problems.append(Problem(str(error), mend, name=setting.name, value=self._config[setting]))
        if problems and not may_lack:
            raise ConfigError(problems)
        return Entries(self._config[ours.SERVER_DN], self._config[ours.SHARED_DN], time.time(), tuple(found))

    def change(self, edits: Edits) -> None:
        """Changes entries, one after the other.  Raises DirectoryUnavailable."""
        for dn, changes in edits.items():
            self._servers.search(self._changer(dn, changes))

    def add(self, dn: str, attributes: Mapping[str, Sequence[str]]) -> None:
        """Adds an entry.  Raises DirectoryUnavailable."""

        def use(link: Link) -> None:
            outcome = link.add(dn, attributes, self._seconds)
            if not outcome.is_success:
                raise Refusal(f"{link.address.url} does not add {dn}: {outcome}")

        self._servers.search(use)

    def _reader(self, place: Place, dn: str, attributes: Sequence[str]) -> Callable[[Link], tuple[Entry, ...]]:
        def use(link: Link) -> tuple[Entry, ...]:
            return tuple(self._read(link, place, dn, attributes))

        return use

    def _read(self, link: Link, place: Place, dn: str, attributes: Sequence[str]) -> Iterator[Entry]:
        found = link.search(dn, "base", "(objectClass=*)", attributes, 1, self._seconds).entries
        if not found:
            raise NoEntry(f"{link.address.url} does not show the entry {dn}")
        named = "".join(f"(cn={name})" for name in CHILDREN)
        found += link.search(dn, "onelevel", f"(|{named})", attributes, len(CHILDREN), self._seconds).entries
        for each in found:
            values = {name: tuple(sorted(texts)) for name, texts in each.attributes.items()}
            yield Entry(place, each.dn, values.pop("objectclass", ()), values)

    def _changer(self, dn: str, changes: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> Callable[[Link], None]:
        def use(link: Link) -> None:
            outcome = link.modify(dn, changes, self._seconds)
            if not outcome.is_success:
                raise Refusal(f"{link.address.url} does not change {dn}: {outcome}")

        return use


def _as_users_directory(config: Config, account: Account | None) -> Config:
    """The same directory in the words of the users', whose way to servers is taken."""
    values: dict[str, object] = {theirs.name: config[setting] for setting, theirs in _PAIRS if config.is_set(setting)}
    if account is not None:
        values[users.BIND_METHOD.name] = account.method
        values[users.BIND_DN.name] = account.dn
        values[users.BIND_CREDENTIALS.name] = account.password
    elif config[ours.CREDENTIALS]:
        values[users.BIND_DN.name] = config[ours.BIND_DN] or config[ours.SERVER_DN]
        values[users.BIND_CREDENTIALS.name] = config[ours.CREDENTIALS]
    return Config(values, config.instance)
