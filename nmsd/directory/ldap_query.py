"""From a name to a search, and from what the search found to the one entry that is meant.

Security: whatever a client sends ends up inside a filter; `escape` is the only way there.  Directories compare more
loosely than people think (spaces, letters that look alike), so what was found is compared once more: names that differ
must not be one login with several allowances for guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap_link import Entry
from nmsd.directory.schema import Schema, values

MOST_ENTRIES: Final = 10  # two are too many already; the others may be nobody's login
MOST_NAME: Final = 1024
"""Nobody's login name or address is longer; what is, is neither sent to the directory nor remembered."""


@dataclass(frozen=True)
class Query:
    """A search for one user.  An entry is meant if one of its login names is in `logins` or of its addresses in
    `addresses`; if none is, one with an address in `fallback`.  `exact` is False where the administrator's own filter
    decides."""

    filter: str
    logins: frozenset[str]
    addresses: frozenset[str]
    fallback: frozenset[str] = frozenset()
    exact: bool = True


class Queries:
    """Makes searches, as the settings say."""

    def __init__(self, config: Config, schema: Schema) -> None:
        self._config = config
        self._schema = schema
        self._domain = config[DEFAULT_DOMAIN].lower()
        names = [name for field in _fields(schema) for name in field]
        self.attributes: tuple[str, ...] = tuple(dict.fromkeys(names))

    def login(self, login: str) -> Query | None:
        """The search for a login name; None if nobody can have it."""
        name = login.lower()
        if not _is_sendable(name):
            return None
        local, at, domain = name.rpartition("@")
        logins, addresses = {name}, set()
        if not at:
            local, domain = name, self._domain
            if domain:
                addresses.add(f"{name}@{domain}")
        elif local:  # a catch-all is nobody's login
            addresses.add(name)
            if domain == self._domain:
                logins.add(local)
        template = self._config[settings.LOGIN_FILTER]
        if template:
            return Query(self._whole(fill(template, login, local, domain)), frozenset(), frozenset(), exact=False)
        parts = self._equals(self._schema.uid, logins) + self._equals(self._address_names(), addresses)
        return Query(self._whole(any_of(parts)), frozenset(logins), frozenset(addresses))

    def recipient(self, address: str) -> Query | None:
        """The search for who gets mail for an address; None if nobody can."""
        name = address.lower()
        if "@" not in name and self._domain:
            name = f"{name}@{self._domain}"
        if not _is_sendable(name):
            return None
        catch_all = {name[name.rfind("@") :]} if "@" in name else set()
        filter = any_of(self._equals(self._address_names(), {name} | catch_all))
        # Without an address of its own, a user has the login name at the default domain.
        local, _, domain = name.rpartition("@")
        if domain and domain == self._domain and local:
            bare = "".join(f"(!({attribute}=*))" for attribute in self._schema.mail)
            login = any_of(self._equals(self._schema.uid, {local}))
            filter = any_of([*self._equals(self._address_names(), {name} | catch_all), f"(&{login}{bare})"])
        return Query(self._whole(filter), frozenset(), frozenset({name}), frozenset(catch_all))

    def everybody(self) -> str:
        """The filter of all users."""
        return self._whole(any_of([f"({name}=*)" for name in self._schema.uid]))

    def matching(self, filter: str) -> str:
        """The filter of those users whom `filter` finds."""
        return self._whole(filter)

    def _address_names(self) -> tuple[str, ...]:
        return (*self._schema.mail, *self._schema.alias)

    def _equals(self, attributes: Sequence[str], words: set[str]) -> list[str]:
        return [f"({attribute}={escape(word)})" for attribute in attributes for word in sorted(words)]

    def _whole(self, filter: str) -> str:
        base = self._config[settings.FILTER]
        return f"(&{base}{filter})" if base else filter


def is_meant(query: Query, entry: Entry, schema: Schema, domain: str) -> bool:
    """Whether the entry has the name asked for, letter by letter."""
    if not query.exact:
        return True
    logins = {word.strip().lower() for word in values(entry.attributes, schema.uid)}
    return bool(query.logins & logins or query.addresses & addresses_of(entry, schema, domain))


def addresses_of(entry: Entry, schema: Schema, domain: str) -> set[str]:
    """The addresses of an entry, as they count."""
    found = {word.strip().lower() for word in values(entry.attributes, schema.mail)[:1]}
    found.update(word.strip().lower() for word in values(entry.attributes, schema.alias))
    if not values(entry.attributes, schema.mail) and domain:
        found.update(f"{word.strip().lower()}@{domain}" for word in values(entry.attributes, schema.uid)[:1])
    return found


def fill(template: str, login: str, local: str, domain: str) -> str:
    """A filter template with %o, %U, %V (and %% for %) filled in."""
    given = {"o": login, "U": local, "V": domain}
    pieces = template.split("%")
    filled = [pieces[0]]
    index = 1
    while index < len(pieces):
        piece = pieces[index]
        if piece[:1] in given:
            filled.append(escape(given[piece[0]]) + piece[1:])
        elif not piece and index + 1 < len(pieces):  # %%
            index += 1
            filled.append("%" + pieces[index])
        else:
            filled.append("%" + piece)
        index += 1
    return "".join(filled)


def escape(text: str) -> str:
    """`text` as a value in a filter (RFC 4515 §3).  Spaces at the ends too: ldap3 takes unescaped ones off."""
    inner = text.strip()
    at = text.find(inner)
    head, tail = text[:at], text[at + len(inner) :]
    escaped: str = escape_filter_chars(inner)
    return (escape_bytes(head.encode()) if head else "") + escaped + (escape_bytes(tail.encode()) if tail else "")


def any_of(parts: Sequence[str]) -> str:
    """A filter that matches what one of the parts does."""
    return parts[0] if len(parts) == 1 else f"(|{''.join(parts)})"


def _is_sendable(name: str) -> bool:
    if not 0 < len(name) <= MOST_NAME:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fields(schema: Schema) -> list[tuple[str, ...]]:
    # All but the password, in any form: it is read only where it is to be compared, and then by itself.
    return [names for field, names in vars(schema).items() if field not in ("password", "scram")]
