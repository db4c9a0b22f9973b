"""Looking users up: a query is sent, its answer judged, and the judgement remembered for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap_link import Found, Referred
from nmsd.directory.ldap_names import normal
from nmsd.directory.ldap_query import MOST_ENTRIES, Query, addresses_of, is_meant
from nmsd.directory.ldap_referral import Referral, parse_referral
from nmsd.directory.ldap_trace import ATTRIBUTES as SEEN_ATTRIBUTES
from nmsd.directory.ldap_trace import Seen, see
from nmsd.directory.schema import values
from nmsd.directory.users import BadEntry, read_user
from nmsd.model.errors import AmbiguousEntry, DirectoryUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nmsd.config.ldap_address import Address
    from nmsd.config.setting import Config
    from nmsd.directory.api import User
    from nmsd.directory.ldap_link import Entry, Link
    from nmsd.directory.ldap_servers import Servers
    from nmsd.directory.runtime import Log
    from nmsd.directory.schema import Schema


@dataclass(frozen=True)
class Record:
    """Who a name is, or what is wrong with its entry or entries."""

    user: User | None
    problem: str = ""
    is_ambiguous: bool = False
    seen: Seen | None = None
    at: Address | None = None

    def answer(self) -> User:
        """The user.  Raises AmbiguousEntry, DirectoryUnavailable."""
        if self.user is not None:
            return self.user
        raise AmbiguousEntry(self.problem) if self.is_ambiguous else DirectoryUnavailable(self.problem)


class Search:
    """Asks the servers."""

    def __init__(
        self,
        config: Config,
        servers: Servers,
        schema: Schema,
        attributes: tuple[str, ...],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._servers = servers
        self._schema = schema
        self._known = attributes
        self._attributes = (*attributes, *SEEN_ATTRIBUTES) if config[settings.PUSH] else attributes
        self._clock = clock
        self._log = log
        self._domain = config[DEFAULT_DOMAIN].lower()
        self._base = config[settings.BASE]
        self._scope = config[settings.SCOPE]

    def find(self, query: Query, name: str) -> Record | None:
        """Who is meant by `name`; None if nobody.  Raises DirectoryUnavailable."""
        return self.choose(query, self.entries(query), name)

    def entries(self, query: Query) -> Found:
        """What the search finds.  Raises DirectoryUnavailable."""
        seconds = self._config[settings.TIMEOUT]

        def at(base: str) -> Callable[[Link], Found]:
            return lambda link: link.search(base, self._scope, query.filter, self._attributes, MOST_ENTRIES, seconds)

        try:
            found = self._servers.search(at(self._base))
        except Referred as referred:
            if not any(self._goes_to(url) for url in referred.urls):
                raise
            found = Found((), references=referred.urls)
        return self._follow(found, at) if found.references else found

    def _follow(self, found: Found, at: Callable[[str], Callable[[Link], Found]]) -> Found:
        """Adds what is to be found on other servers.  There, no further references are followed."""
        entries, cut = {normal(entry.dn): entry for entry in found.entries}, found.cut
        for url in found.references:
            referral = self._goes_to(url)
            if referral is None:
                continue
            more = self._servers.search(at(referral.base or self._base), referral.address)
            cut = cut or more.cut
            for entry in more.entries:  # several servers may have the same ones
                entries.setdefault(normal(entry.dn), replace(entry, at=referral.address))
        return Found(tuple(entries.values()), cut)

    def _goes_to(self, url: str) -> Referral | None:
        referral = parse_referral(url)
        return referral if referral is not None and self._servers.may_go_to(referral.address) else None

    def choose(self, query: Query, found: Found, name: str) -> Record | None:
        """The entry that is meant, of those found; what is wrong is logged."""
        meant = [entry for entry in found.entries if is_meant(query, entry, self._schema, self._domain)]
        if not meant:
            meant = [
                entry for entry in found.entries if query.fallback & addresses_of(entry, self._schema, self._domain)
            ]
        records = [record for record in map(self._read, meant) if record is not None]
        if len(records) > 1 or (found.cut and not records):
            names = " and ".join(entry.dn for entry in meant[:3]) or f"more than {MOST_ENTRIES} entries"
            return self._problem(f"{name} is both {names}", is_ambiguous=True)
        return records[0] if records else None

    def look_again(self, dn: str) -> Record | None:
        """The user with this entry, if it is still there and one, with all that may be seen of it.  Raises
        DirectoryUnavailable."""
        seconds = self._config[settings.TIMEOUT]
        filter = self._config[settings.FILTER] or "(objectClass=*)"
        asked = ("*", *self._attributes)
        at = self._clock()
        try:
            entry = self._servers.search(lambda link: link.entry(dn, filter, asked, seconds))
        except Referred:
            return None  # who is on another server is found by name
        if entry is None:
            return None
        record = self._read(entry)
        return record and replace(record, seen=see(entry, self._schema, self._known, True, at))

    def everybody(self, filter: str) -> Iterator[User]:
        """All users.  Entries that cannot be understood are logged and left out.  Raises DirectoryUnavailable."""
        seconds, size = self._config[settings.TIMEOUT], self._config[settings.PAGE_SIZE]

        def first(link: Link) -> tuple[Link, Iterator[tuple[Entry, ...]], tuple[Entry, ...]]:
            pages = link.pages(self._base, self._scope, filter, self._attributes, size, seconds)
            try:
                return link, pages, next(pages, ())
            except BaseException:
                link.close()
                raise

        link, pages, page = self._servers.with_own_link(first)
        try:
            yield from self._users(page)
            for page in pages:
                yield from self._users(page)
        finally:
            link.close()

    def passwords(self, dn: str, at: Address | None = None) -> tuple[str, ...]:
        """The stored passwords of an entry, as far as we may read them.  Raises DirectoryUnavailable."""
        names = self._schema.password
        return tuple(value for entry in self._secrets(dn, names, at) for value in values(entry.attributes, names))

    def scram(self, dn: str) -> tuple[str, ...]:
        """The values of an entry that may be SCRAM keys, as far as we may read them.  Raises DirectoryUnavailable."""
        names = self._schema.scram
        found = self._secrets(dn, names) if names else ()
        return tuple(value for entry in found for name in names for value in entry.attributes.get(name, ()))

    def _secrets(self, dn: str, names: tuple[str, ...], at: Address | None = None) -> tuple[Entry, ...]:
        seconds = self._config[settings.TIMEOUT]

        def use(link: Link) -> Found:
            return link.search(dn, "base", "(objectClass=*)", names, 1, seconds)

        return self._servers.search(use, at).entries

    def _users(self, entries: Iterable[Entry]) -> Iterator[User]:
        for entry in entries:
            record = self._read(entry)
            if record is not None and record.user is not None:
                yield record.user

    def _read(self, entry: Entry) -> Record | None:
        try:
            user = read_user(entry.dn, entry.attributes, self._schema, self._config, self._domain)
        except BadEntry as error:
            return self._problem(str(error))
        if user is None:
            return None
        if not self._config[settings.PUSH]:
            return Record(user, at=entry.at)
        return Record(user, seen=see(entry, self._schema, self._known, False, self._clock()), at=entry.at)

    def _problem(self, words: str, is_ambiguous: bool = False) -> Record:
        self._log("Warning", "Account", words)
        return Record(None, words, is_ambiguous)
