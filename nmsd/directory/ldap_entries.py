"""Searches for an entry by what is in it (entry_search), in LDAP.

Security: servers compare more loosely than people think (one stops at a NUL, another drops what it does not know), so
what was found is compared once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.directory import ldap_settings as settings
from nmsd.directory.dn import is_within, normal, parse_dn
from nmsd.directory.entry_search import (
    CERTIFICATE,
    CERTIFICATE_NAMES,
    MOST_ENTRIES,
    EntriesFound,
    EntryFound,
    EntrySearch,
    Term,
)
from nmsd.directory.users import BadEntry, read_user

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.ldap_link import Entry, Found, Link
    from nmsd.directory.ldap_query import Queries
    from nmsd.directory.ldap_servers import Servers
    from nmsd.directory.schema import Schema


def find_entries(
    config: Config, servers: Servers, schema: Schema, queries: Queries, search: EntrySearch
) -> EntriesFound:
    """What the search finds where the users are: nothing outside local.ugldapbasedn is anybody's entry.  Raises
    DirectoryUnavailable."""
    filter = queries.matching(search.filter())
    base = _place(search, config[settings.BASE])
    if base is None:
        return EntriesFound(search.base, filter)
    own = [name for term in search.terms for name in term.names]
    asked = tuple(dict.fromkeys((*queries.attributes, *own, *(CERTIFICATE_NAMES if search.with_certificates else ()))))
    scope, seconds = "base" if search.itself else "subtree", config[settings.TIMEOUT]

    def use(link: Link) -> Found:
        return link.entries(base, scope, filter, asked, MOST_ENTRIES, seconds, base == search.base)

    found = servers.search(use)
    meant = [entry for entry in found.entries if _is_meant(search, base, entry)]
    return EntriesFound(base, filter, tuple(_read(config, schema, entry) for entry in meant), found.cut)


def _is_meant(search: EntrySearch, base: str, entry: Entry) -> bool:
    name, top = normal(parse_dn(entry.dn)), normal(parse_dn(base))
    if not (name == top if search.itself else is_within(name, top)):
        return False
    return all(
        {term.key(value) for value in term.values} & {term.key(value) for value in _values(entry, term)} - {None}
        for term in search.terms
    )


def _values(entry: Entry, term: Term) -> list[str]:
    return [value for name in term.names for value in entry.attributes.get(name.lower(), ())]


def _place(search: EntrySearch, users: str) -> str | None:
    """Where to search: what the search's base and the users' have in common; None for nothing."""
    if not search.base:
        return users
    try:
        wanted, ours = normal(parse_dn(search.base)), normal(parse_dn(users))
    except ValueError:
        return None
    if is_within(wanted, ours):
        return search.base
    return users if is_within(ours, wanted) and not search.itself else None


def _read(config: Config, schema: Schema, entry: Entry) -> EntryFound:
    raw = tuple(value.encode("utf-8", "surrogateescape") for value in entry.attributes.get(CERTIFICATE, ()))
    try:
        user = read_user(entry.dn, entry.attributes, schema, config, config[DEFAULT_DOMAIN].lower())
    except BadEntry as error:
        return EntryFound(entry.dn, None, str(error), raw)
    return EntryFound(entry.dn, user, "", raw)
