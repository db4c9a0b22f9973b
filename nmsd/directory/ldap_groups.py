"""Groups in LDAP directories: which of them a user is in, by name, by address or by filter, and through other groups.

What was found out is remembered as long as users are, and forgotten when an entry changes that may have to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from nmsd.directory import group_settings, ldap_settings
from nmsd.directory.ldap_cache import Cache
from nmsd.directory.ldap_names import is_below, normal
from nmsd.directory.ldap_query import any_of, escape
from nmsd.directory.member_url import MemberUrl, parse_member_url

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import User
    from nmsd.directory.ldap_link import Entry, Link
    from nmsd.directory.ldap_servers import Servers
    from nmsd.directory.runtime import Log

_MOST: Final = 10_000  # groups a user may be in, and dynamic groups there may be
_AT_ONCE: Final = 50  # names in one search
_DYNAMIC: Final = "dynamic groups"


class Groups:
    """`clock` gives seconds that only go forward."""

    def __init__(self, config: Config, servers: Servers, log: Log, clock: Callable[[], float]) -> None:
        def cache() -> Cache[frozenset[str]]:
            return Cache(
                lambda: config[ldap_settings.CACHE_SIZE],
                lambda: config[ldap_settings.CACHE_TTL],
                lambda: config[ldap_settings.NEGATIVE_TTL],
                clock,
            )

        self._config = config
        self._servers = servers
        self._log = log
        self._users = cache()
        self._names = cache()
        self._clock = clock
        self._dynamic: tuple[float, tuple[tuple[str, MemberUrl], ...]] | None = None
        self._told: set[str] = set()
        self._generation = 0
        self._base: str = config[group_settings.BASE] or config[ldap_settings.BASE]
        self._members: tuple[str, ...] = config[group_settings.MEMBER]
        urls: tuple[str, ...] = config[group_settings.MEMBER_URL]
        self._urls = tuple([name.lower() for name in urls])

    def groups_of(self, user: User) -> frozenset[str]:
        """The groups, by their distinguished names as `ldap_names.normal` writes them.  Raises DirectoryUnavailable."""
        key = normal(user.dn)
        remembered = self._users.get(key)
        if remembered is not None and remembered.value is not None:
            return remembered.value
        generation = self._generation
        addresses = {user.account, *user.aliases}
        found: set[str] = set(self._matching(user))
        level = self._containing({key}, addresses) | found
        found |= level
        for _ in range(self._config[group_settings.DEPTH]):
            level = self._containing(level, ()) - found if level else set()
            found |= level
        groups = frozenset(found)
        if generation == self._generation:
            self._users.put(key, groups, key)
        return groups

    def is_member(self, user: User, group: str) -> bool:
        """Whether the user is in the group of this name, address or distinguished name.  A name that several groups
        have is none's, and logged.  Raises DirectoryUnavailable."""
        names = self._named(group)
        return len(names) == 1 and not names.isdisjoint(self.groups_of(user))

    def forget(self) -> None:
        """Forgets everything."""
        self._generation += 1
        self._users.clear()
        self._names.clear()
        self._dynamic = None

    def forget_entry(self, dn: str) -> None:
        """An entry changed: one of a user, who may be in other groups now, or of a group."""
        self._generation += 1
        if self._users.get(normal(dn)) is None and is_below(dn, self._base):
            self.forget()
        else:
            self._users.drop_entry(normal(dn))

    def _named(self, group: str) -> frozenset[str]:
        key = group.strip().lower()
        remembered = self._names.get(key)
        if remembered is not None and remembered.value is not None:
            return remembered.value
        generation = self._generation
        if "=" in key:
            found = frozenset((normal(group),))  # what is in it tells whether it is there
        else:
            words = [f"({name}={escape(key)})" for name in self._config[group_settings.NAME]]
            found = frozenset(normal(entry.dn) for entry in self._search(any_of(words), ("1.1",)))
        if len(found) > 1 and key not in self._told:
            self._told.add(key)
            self._log("Warning", "Account", f"the group {group} is nobody's: it is {' and '.join(sorted(found)[:3])}")
        if generation == self._generation:
            self._names.put(key, found, brief=len(found) != 1)
        return found

    def _containing(self, dns: Iterable[str], addresses: Iterable[str]) -> set[str]:
        """The groups that have one of these as members."""
        words = [f"({name}={escape(dn)})" for dn in sorted(dns) for name in self._members]
        names = self._config[group_settings.MEMBER_ADDRESS]
        words += [f"({name}={escape(address)})" for address in sorted(addresses) for name in names]
        found: set[str] = set()
        for start in range(0, len(words), _AT_ONCE):
            found.update(normal(entry.dn) for entry in self._search(any_of(words[start : start + _AT_ONCE]), ("1.1",)))
        return found

    def _matching(self, user: User) -> Iterable[str]:
        """The dynamic groups whose filters the user's entry matches."""
        seconds = self._config[ldap_settings.TIMEOUT]
        for group, url in self._dynamic_groups():
            if url.covers(user.dn):
                filter = url.filter

                def use(link: Link, filter: str = filter) -> bool:
                    return link.entry(user.dn, filter, ("1.1",), seconds) is not None

                if self._servers.search(use):
                    yield group

    def _dynamic_groups(self) -> tuple[tuple[str, MemberUrl], ...]:
        if self._dynamic is not None and self._clock() < self._dynamic[0]:
            return self._dynamic[1]
        generation = self._generation
        found = []
        if self._urls:
            for entry in self._search(any_of([f"({name}=*)" for name in self._urls]), self._urls):
                found += [(normal(entry.dn), url) for url in self._read_urls(entry)]
        dynamic = tuple(found)
        if generation == self._generation:
            self._dynamic = (self._clock() + self._config[ldap_settings.CACHE_TTL], dynamic)
        return dynamic

    def _read_urls(self, entry: Entry) -> Iterable[MemberUrl]:
        for name in self._urls:
            for text in entry.attributes.get(name, ()):
                try:
                    yield parse_member_url(text)
                except ValueError as error:
                    if text not in self._told:
                        self._told.add(text)
                        self._log("Warning", "Account", f"{entry.dn}: {error}")

    def _search(self, filter: str, attributes: tuple[str, ...]) -> list[Entry]:
        seconds, size = self._config[ldap_settings.TIMEOUT], self._config[ldap_settings.PAGE_SIZE]
        whole = f"(&{self._config[group_settings.FILTER]}{filter})"

        def use(link: Link) -> list[Entry]:
            found: list[Entry] = []
            for page in link.pages(self._base, "subtree", whole, attributes, size, seconds):
                found += page
                if len(found) >= _MOST:
                    break
            return found

        return self._servers.search(use)
