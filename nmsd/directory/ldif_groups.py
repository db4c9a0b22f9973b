"""Groups in the embedded directory: entries of the file as directories have them, members by name or by filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nmsd.directory import group_settings
from nmsd.directory.filter import Filter, parse_filter
from nmsd.directory.ldap_names import normal
from nmsd.directory.member_url import MemberUrl, parse_member_url

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.api import User
    from nmsd.directory.schema import Attributes


class LdifGroups:
    """The groups of one state of the file.  `warn` is told what is wrong with one."""

    def __init__(self, config: Config, entries: Sequence[tuple[str, Attributes]], warn: Callable[[str], None]) -> None:
        def names(setting: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name.lower() for name in setting)

        self._depth = config[group_settings.DEPTH]
        self._warn = warn
        self._names: dict[str, set[str]] = {}
        self._with: dict[str, set[str]] = {}
        self._dynamic: list[tuple[str, MemberUrl, Filter]] = []
        member, name = names(config[group_settings.MEMBER]), names(config[group_settings.NAME])
        address, url = names(config[group_settings.MEMBER_ADDRESS]), names(config[group_settings.MEMBER_URL])
        is_group = parse_filter(config[group_settings.FILTER])
        for dn, attributes in entries:
            if not is_group(attributes):
                continue
            group = normal(dn)
            for text in _values(attributes, name):
                self._names.setdefault(text.strip().lower(), set()).add(group)
            for text in _values(attributes, member):
                self._with.setdefault(normal(text), set()).add(group)
            for text in _values(attributes, address):
                self._with.setdefault(text.strip().lower(), set()).add(group)
            for text in _values(attributes, url):
                self._add_url(dn, group, text)
        # Filters look at entries, which need not be kept where there are none.
        self._entries = {normal(dn): attributes for dn, attributes in entries} if self._dynamic else {}

    def _add_url(self, dn: str, group: str, text: str) -> None:
        try:
            url = parse_member_url(text)
            self._dynamic.append((group, url, parse_filter(url.filter)))
        except ValueError as error:
            self._warn(f"{dn}: {error}")

    def groups_of(self, user: User) -> frozenset[str]:
        """As the directory's contract says."""
        key = normal(user.dn)
        entry = self._entries.get(key, {})
        found = {group for group, url, matches in self._dynamic if url.covers(user.dn) and matches(entry)}
        for name in {key, user.account, *user.aliases}:
            found |= self._with.get(name, set())
        level = set(found)
        for _ in range(self._depth):
            level = {outer for inner in level for outer in self._with.get(inner, ())} - found
            found |= level
        return frozenset(found)

    def is_member(self, user: User, group: str) -> bool:
        """As the directory's contract says."""
        names = {normal(group)} if "=" in group else self._names.get(group.strip().lower(), set())
        if len(names) > 1:
            self._warn(f"the group {group} is nobody's: it is {' and '.join(sorted(names)[:3])}")
        return len(names) == 1 and not names.isdisjoint(self.groups_of(user))


def _values(attributes: Attributes, names: tuple[str, ...]) -> list[str]:
    return [text for name in names for text in attributes.get(name, ())]
