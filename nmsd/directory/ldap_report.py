"""Looking at the directory the way an administrator wants to: step by step, with what each step said and took."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final

from nmsd.config.ldap_address import Address
from nmsd.config.services import DEFAULT_DOMAIN
from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory import settings as schema
from nmsd.directory.ldap import LdapDirectory
from nmsd.directory.ldap_changes import describe
from nmsd.directory.ldap_link import Entry, Failure, Found, Link, NoEntry, Outcome
from nmsd.directory.ldap_query import MOST_ENTRIES, Query
from nmsd.directory.ldap_search import Record
from nmsd.directory.mend import mend_of_base, mend_of_bind, mend_of_connection, mend_of_nobody
from nmsd.directory.step import Step
from nmsd.model.errors import DirectoryError, DirectoryUnavailable

_MOST_VALUE: Final = 200


class _Watch:
    """Time since it was asked last."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds."""
        last, self._last = self._last, time.monotonic()
        return self._last - last


def probe(directory: LdapDirectory, config: Config, address: Address) -> Iterator[Step]:
    """Tries one server: connection, TLS, bind, base, and a search as logins make it.  Ends with the first failure."""
    seconds, base = config[settings.TIMEOUT], config[settings.BASE]
    opener = directory.servers.opener
    link: Link | None = None
    watch = _Watch()
    try:
        link = yield from _connect(directory, address, watch)
        if link is None:
            return
        outcome = link.bind_account(opener.account(), seconds)
        words = f"as {opener.account_name()}" + ("" if outcome.is_success else f": {outcome}")
        yield _bind_step(config, outcome, words, watch)
        if not outcome.is_success:
            return
        entry = link.entry(base, "(objectClass=*)", ("1.1",), seconds)
        words = f"{base} is not there, or not shown to us" if entry is None else base
        # Who may read users need not be shown the entry they are below.
        good, mend = (True, "") if entry is not None else (None, mend_of_base(config))
        yield Step("base", good, words, watch.lap(), mend)
        filter = directory.queries.everybody()
        found = link.search(base, config[settings.SCOPE], filter, directory.queries.attributes, 1, seconds)
        words = found.entries[0].dn if found.entries else f"no entry matches {filter}"
        mend = "" if found.entries else mend_of_base(config) if entry is None else mend_of_nobody(config)
        yield Step("search", bool(found.entries), words, watch.lap(), mend)
        if config[settings.PUSH]:
            yield _push_step(config, link, watch)
    except NoEntry as error:
        yield Step("failure", False, str(error), watch.lap(), mend_of_base(config))
    except (Failure, DirectoryError) as error:
        yield Step("failure", False, str(error), watch.lap())
    finally:
        if link is not None:
            link.close()


@dataclass(frozen=True)
class LookUp:
    """What became of a look-up of a login: who it is, if a server answered."""

    record: Record | None = None
    is_answered: bool = False


def look_up(directory: LdapDirectory, config: Config, login: str) -> Iterator[Step | LookUp]:
    """Looks a login up as a worker does, server by server, nothing remembered; the LookUp comes last."""
    query = directory.queries.login(login)
    if query is None:
        yield Step("login", False, "nobody can have this login name")
        yield LookUp(is_answered=True)
        return
    for address in directory.servers.addresses:
        watch = _Watch()
        yield Step("server", None, address.url)
        link = yield from _connect(directory, address, watch)
        if link is None:
            continue
        found: Found | None = None
        try:
            outcome = link.bind_account(directory.servers.opener.account(), config[settings.TIMEOUT])
            words = f"as {directory.servers.opener.account_name()}" + ("" if outcome.is_success else f": {outcome}")
            yield _bind_step(config, outcome, words, watch)
            if not outcome.is_success:
                continue
            base, scope = config[settings.BASE], config[settings.SCOPE]
            yield Step("base", None, f"{base} ({scope})")
            yield Step("filter", None, query.filter)
            found = link.search(
                base, scope, query.filter, directory.queries.attributes, MOST_ENTRIES, config[settings.TIMEOUT]
            )
            took = watch.lap()
            mend = "" if found.entries else _why_nobody(directory, config, link, query)
        except Failure as error:
            yield Step("failure", False, str(error), watch.lap())
            continue
        except DirectoryUnavailable as error:
            mend = mend_of_base(config) if isinstance(error, NoEntry) else ""
            yield Step("failure", False, str(error), watch.lap(), mend)
            yield LookUp()
            return
        finally:
            link.close()
        yield Step("search", bool(found.entries), _entries(found), took, mend)
        for entry in found.entries:
            yield from _attributes(entry)
        record = directory.search.choose(query, found, login)
        yield from _verdict(config, found, record)
        yield LookUp(record, True)
        return
    yield LookUp()


def _connect(directory: LdapDirectory, address: Address, watch: _Watch) -> Generator[Step, None, Link | None]:
    """Steps; returns the link, or None."""
    try:
        link = directory.servers.opener.link(address)
    except (Failure, DirectoryUnavailable) as error:
        yield Step("connect", False, str(error), watch.lap(), mend_of_connection(str(error)))
        return None
    yield Step("connect", True, address.url, watch.lap())
    if link.cipher or address.is_local:
        yield Step("TLS", None, link.cipher or "none, and none needed on this machine")
    else:
        mend = f"use ldaps://, or set {settings.START_TLS.name} to auto"
        yield Step("TLS", False, "none: passwords go over the network as they are", mend=mend)
    return link


def _push_step(config: Config, link: Link, watch: _Watch) -> Step:
    how, hindered = describe(link, config[settings.BASE], config[settings.TIMEOUT])
    if not how:
        words = "not offered: changes count when what is remembered is old"
        return Step("push", None, words, watch.lap(), "in OpenLDAP, add the syncprov overlay to the database")
    if hindered:
        mend = f"let {config[settings.BIND_DN] or 'everybody'} read the suffix's entry, and see that it has syncprov"
        return Step("push", None, f"{how}, but {hindered}", watch.lap(), mend)
    return Step("push", True, how, watch.lap())


def _bind_step(config: Config, outcome: Outcome, words: str, watch: _Watch) -> Step:
    return Step("bind", outcome.is_success, words, watch.lap(), "" if outcome.is_success else mend_of_bind(config))


def _why_nobody(directory: LdapDirectory, config: Config, link: Link, query: Query) -> str:
    """Why a search for a login finds nobody, found out by others.  Raises Failure, DirectoryUnavailable."""
    seconds, base, scope = config[settings.TIMEOUT], config[settings.BASE], config[settings.SCOPE]
    narrow = f"(&{config[settings.FILTER]}"
    if config[settings.FILTER] and query.filter.startswith(narrow):
        found = link.search(base, scope, query.filter[len(narrow) : -1], ("1.1",), 1, seconds)
        if found.entries:
            return f"{found.entries[0].dn} has the name, but does not match {settings.FILTER.name}"
    if scope == "onelevel":
        found = link.search(base, "subtree", query.filter, ("1.1",), 1, seconds)
        if found.entries:
            return f"{found.entries[0].dn} is further below; set {settings.SCOPE.name} to subtree"
    everybody = directory.queries.everybody()
    if not link.search(base, scope, everybody, ("1.1",), 1, seconds).entries:
        if link.entry(base, "(objectClass=*)", ("1.1",), seconds) is None:
            return mend_of_base(config)
        return mend_of_nobody(config)
    return "no entry has this name; look at how it is written, and in which attribute it is (local.ugattr.*)"


def _entries(found: Found) -> str:
    if not found.entries:
        return "no entry"
    more = ", and more" if found.cut else ""
    return "; ".join(entry.dn for entry in found.entries) + more


def _attributes(entry: Entry) -> Iterator[Step]:
    for name, values in sorted(entry.attributes.items()):
        text = ", ".join(values)
        yield Step(name, None, text if len(text) <= _MOST_VALUE else text[:_MOST_VALUE] + "...")


def _verdict(config: Config, found: Found, record: Record | None) -> Iterator[Step]:
    if record is None:
        if found.entries:
            words = "none of them is a user with this name: each needs a login name and an address"
            login, mail = (" or ".join(names) for names in (config[schema.UID], config[schema.MAIL]))
            mend = f"give it {login} and {mail}; without {mail}, {DEFAULT_DOMAIN.name} makes an address"
            yield Step("entry", False, words, mend=mend)
        return
    if record.user is None:
        filter = settings.FILTER.name
        mend = f"take the name from one of them, or leave one out with {filter}" if record.is_ambiguous else ""
        yield Step("entry", False, record.problem, mend=mend)
    else:
        yield Step("entry", True, f"{record.user.uid}, account {record.user.account}")
