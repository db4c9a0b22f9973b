"""Looking at the directory the way an administrator wants to: step by step, with what each step said and took."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final

from nmsd.config.ldap_address import Address
from nmsd.config.setting import Config
from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap import LdapDirectory
from nmsd.directory.ldap_link import Entry, Failure, Found, Link
from nmsd.directory.ldap_query import MOST_ENTRIES
from nmsd.directory.ldap_search import Record
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
        yield Step("bind", outcome.is_success, words, watch.lap())
        if not outcome.is_success:
            return
        found = link.search(base, "base", "(objectClass=*)", ("objectClass",), 1, seconds)
        words = base if found.entries else f"{base} is not shown to us; is it there, and may we read it?"
        yield Step("base", bool(found.entries), words, watch.lap())
        filter = directory.queries.everybody()
        found = link.search(base, config[settings.SCOPE], filter, directory.queries.attributes, 1, seconds)
        words = found.entries[0].dn if found.entries else f"no entry matches {filter}"
        yield Step("search", bool(found.entries), words, watch.lap())
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
            yield Step("bind", outcome.is_success, words, watch.lap())
            if not outcome.is_success:
                continue
            base, scope = config[settings.BASE], config[settings.SCOPE]
            yield Step("base", None, f"{base} ({scope})")
            yield Step("filter", None, query.filter)
            found = link.search(
                base, scope, query.filter, directory.queries.attributes, MOST_ENTRIES, config[settings.TIMEOUT]
            )
        except Failure as error:
            yield Step("failure", False, str(error), watch.lap())
            continue
        except DirectoryUnavailable as error:
            yield Step("failure", False, str(error), watch.lap())
            yield LookUp()
            return
        finally:
            link.close()
        yield Step("search", bool(found.entries), _entries(found), watch.lap())
        for entry in found.entries:
            yield from _attributes(entry)
        record = directory.search.choose(query, found, login)
        yield from _verdict(found, record)
        yield LookUp(record, True)
        return
    yield LookUp()


def _connect(directory: LdapDirectory, address: Address, watch: _Watch) -> Generator[Step, None, Link | None]:
    """Steps; returns the link, or None."""
    try:
        link = directory.servers.opener.link(address)
    except (Failure, DirectoryUnavailable) as error:
        yield Step("connect", False, str(error), watch.lap())
        return None
    yield Step("connect", True, address.url, watch.lap())
    safe = bool(link.cipher) or address.is_local
    yield Step("TLS", None if safe else False, link.cipher or "none: passwords go over the network as they are")
    return link


def _entries(found: Found) -> str:
    if not found.entries:
        return "no entry"
    more = ", and more" if found.cut else ""
    return "; ".join(entry.dn for entry in found.entries) + more


def _attributes(entry: Entry) -> Iterator[Step]:
    for name, values in sorted(entry.attributes.items()):
        text = ", ".join(values)
        yield Step(name, None, text if len(text) <= _MOST_VALUE else text[:_MOST_VALUE] + "...")


def _verdict(found: Found, record: Record | None) -> Iterator[Step]:
    if record is None:
        if found.entries:
            yield Step("entry", False, "none of them is a user with this name: each needs a login name and an address")
        return
    if record.user is None:
        yield Step("entry", False, record.problem)
    else:
        yield Step("entry", True, f"{record.user.uid}, account {record.user.account}")
