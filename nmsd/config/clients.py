"""Clients as TCP wrappers write them, and rules that let them in or keep them out.

A list of clients is `.example.com, 192.0.2.0/24 EXCEPT 192.0.2.7`.  In it stand host names, `.domain` (all hosts below
it), addresses, `192.0.2.` (all that begin so), `network/mask`, and ALL, LOCAL (a name without a dot), KNOWN and UNKNOWN
(with a name that leads back to the address, and without), DNSSPOOFER (with a name that leads elsewhere).  Each may have
a user in front, `alice@ALL`.

Rules that allow are read first, then those that deny; the first that matches decides.  Where none does, the client may
enter, unless there are rules that allow and none that deny.

Nothing here looks anything up: names come from the caller, users once they are known.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from nmsd.config.setting import Kind

NameOf = Callable[[str], str]
"""The host name of an address in lower case: '' if it has none, SPOOFED if that does not lead back to the address."""

SPOOFED: Final = "?"
"""No host has this name."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_WORDS: Final = ("all", "local", "known", "unknown", "dnsspoofer")
_ALIASES: Final = {"*": "all", "paranoid": "dnsspoofer"}
_SERVICES: Final = {"pop3": "pop", "pop3s": "pops", "imap4": "imap"}
_ALL: Final = frozenset(("all", "*"))
_HOST: Final = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class BadRule(ValueError):
    """A rule that cannot be understood; the text says why."""


class Form(Enum):
    """What kind of word stands for a client."""

    WORD = "word"
    NETWORK = "network"
    PREFIX = "prefix"
    HOST = "host"
    DOMAIN = "domain"


@dataclass(frozen=True)
class Pattern:
    """One word for clients, in lower case; `user` is '' for any."""

    form: Form
    text: str
    user: str = ""
    network: _Network | None = None


Clients = tuple[tuple[Pattern, ...], ...]
"""Lists with EXCEPT between them: a EXCEPT b EXCEPT c is a EXCEPT (b EXCEPT c)."""


@dataclass(frozen=True)
class Client:
    """Who asks.  `users` are all names of the user in lower case, None while nobody has logged in."""

    address: str
    name_of: NameOf
    users: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Rule:
    """One rule.  `services` is empty for all of them; `server` is the address or network of ours that the client came
    to, None for any."""

    allows: bool
    services: frozenset[str]
    clients: Clients
    text: str
    server: _Network | None = None

    def covers(self, service: str, server: str = "") -> bool:
        """Whether it speaks of the service, at this address of ours."""
        if self.services and service not in self.services:
            return False
        return self.server is None or _within(server, self.server)

    def names_users(self) -> bool:
        """Whether it cannot be decided before the login."""
        return any(pattern.user for part in self.clients for pattern in part)


@dataclass(frozen=True)
class Verdict:
    """What came out, and of which rule, if one matched.  `allowed` is None when it hangs on who will log in."""

    allowed: bool | None
    rule: Rule | None = None


def judge(rules: Sequence[Rule], service: str, client: Client, server: str = "") -> Verdict:
    """Whether the client may use the service (imap, imaps, pop, pops) at this address of ours."""
    is_open = False
    for allows in (True, False):
        for rule in rules:
            if rule.allows is not allows or not rule.covers(service, server):
                continue
            found = is_among(rule.clients, client)
            if found is None:
                is_open = True
            elif found:
                return Verdict(None if is_open and not allows else allows, rule)
    if is_open:
        return Verdict(None)
    return Verdict({rule.allows for rule in rules} != {True})


def is_among(clients: Clients, client: Client) -> bool | None:
    """Whether the client is in the list; None when it hangs on who will log in."""
    found: bool | None = False
    for part in reversed(clients):
        inside = _any(_matches(pattern, client) for pattern in part)
        # "and not", where None is perhaps.
        if inside is False or found is True:
            found = False
        elif inside is None or found is None:
            found = None
        else:
            found = True
    return found


def _any(answers: Iterable[bool | None]) -> bool | None:
    is_open = False
    for answer in answers:
        if answer:
            return True
        is_open = is_open or answer is None
    return None if is_open else False


def _matches(pattern: Pattern, client: Client) -> bool | None:
    if pattern.user and client.users is not None and pattern.user not in client.users:
        return False
    if not _is_host(pattern, client):
        return False
    return None if pattern.user and client.users is None else True


def _is_host(pattern: Pattern, client: Client) -> bool:
    if pattern.text == "all":
        return True
    address = _address(client.address)
    if address is None:
        return False  # a Unix socket: only ALL means it
    if pattern.network is not None:
        return address.version == pattern.network.version and address in pattern.network
    if pattern.form is Form.PREFIX:
        return f"{address}.".startswith(pattern.text)
    name = client.name_of(str(address))
    if pattern.text == "dnsspoofer":
        return name == SPOOFED
    if pattern.text == "unknown":
        return name in ("", SPOOFED)
    if name in ("", SPOOFED):
        return False
    if pattern.text == "known":
        return True
    if pattern.text == "local":
        return "." not in name
    return name.endswith(pattern.text) if pattern.form is Form.DOMAIN else name == pattern.text


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(text: str, network: _Network) -> bool:
    address = _address(text)
    return address is not None and address.version == network.version and address in network


def parse_clients(text: str) -> Clients:
    """A list of clients.  Raises BadRule."""
    lists: list[list[Pattern]] = [[]]
    for word in text.replace(",", " ").split():
        if word.upper() == "EXCEPT":
            lists.append([])
        else:
            lists[-1].append(_pattern(word))
    if not all(lists):
        raise BadRule(f"{text!r} has an empty list of clients")
    return tuple(tuple(part) for part in lists)


def _pattern(word: str) -> Pattern:
    if word.startswith("@"):
        raise BadRule(f"{word} is a netgroup, which is not known here: name its hosts or networks instead")
    user, at, host = word.lower().rpartition("@")
    if at and not host:
        raise BadRule(f"{word} has no host behind the @: write {word}ALL for any")
    host = _ALIASES.get(host, host)
    user = "" if user in _ALL else user
    if host in _WORDS:
        return Pattern(Form.WORD, host, user)
    network = _network(host)
    if network is not None:
        return Pattern(Form.NETWORK, host, user, network)
    if re.fullmatch(r"([0-9]{1,3}\.){1,3}", host):
        return Pattern(Form.PREFIX, host, user)
    if re.fullmatch(r"[0-9.]+", host):
        raise BadRule(f"{word} is no address")
    if not _HOST.fullmatch(host.removeprefix(".")):
        mend = f"write {host[1:]} for all below a domain" if host.startswith("*.") else "write a host name or .domain"
        raise BadRule(f"{word} is no client: {mend}, an address, network/mask or one of {', '.join(_WORDS).upper()}")
    return Pattern(Form.DOMAIN if host.startswith(".") else Form.HOST, host, user)


def _network(text: str) -> _Network | None:
    if not re.search(r"[0-9:]", text):
        return None
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        if "/" in text or ":" in text:
            raise BadRule(f"{text} is no network") from None
        return None


def parse_services(text: str) -> frozenset[str]:
    """Names of services with commas between, in one spelling; empty for all.  Raises BadRule where there is none."""
    words = frozenset(word.strip().lower() for word in text.split(",") if word.strip())
    if not words:
        raise BadRule("no service is named")
    return frozenset() if words & _ALL else frozenset(_SERVICES.get(word, word) for word in words)


def filters(service: str, allows: bool) -> Kind[tuple[Rule, ...]]:
    """Access filters of a service, `imap, imaps: .example.com EXCEPT lab.example.com $ imaps: ALL`: `service` and, with
    an s, the same over TLS may be named in them, and ALL for both; @ADDRESS behind one means that address of ours."""
    known = (service, service + "s")

    def parse(value: Any) -> tuple[Rule, ...]:
        text = ", ".join(value) if isinstance(value, list) else str(value)
        if "\n" in text or "\r" in text:
            raise ValueError("must be one line")
        return tuple(rule for each in text.split("$") if each.strip() for rule in _filter(each.strip(), known, allows))

    def write(rules: tuple[Rule, ...]) -> str:
        return " $ ".join(dict.fromkeys(rule.text for rule in rules))

    allowed = f"filters such as `{service}, {service}s: .example.com, 192.0.2.0/24 EXCEPT 192.0.2.7`, with $ between"
    return Kind(parse, write, allowed, "string")


def _filter(text: str, known: tuple[str, ...], allows: bool) -> Iterable[Rule]:
    names, colon, listed = text.partition(":")
    if "@" in names and "[" in names:  # an IPv6 address of ours, with colons in it
        end = text.find("]")
        names, colon, listed = text[: end + 1], text[end + 1 : end + 2], text[end + 2 :]
    if colon != ":" or not names.strip() or not listed.strip():
        raise BadRule(f"{text!r} is not of the form `{known[0]}: clients`")
    clients = parse_clients(listed)
    found = []
    for word in names.split(","):
        name, at, host = word.strip().partition("@")
        services = parse_services(name)
        wrong = services.difference(known)
        if wrong:
            raise BadRule(f"{', '.join(sorted(wrong))} is none of {', '.join(known)} and ALL, of which this can speak")
        found.append(Rule(allows, services, clients, text, _own_address(word, host) if at else None))
    return found


def _own_address(word: str, host: str) -> _Network:
    try:
        network = _network(host)
    except BadRule:
        network = None
    if network is None:
        raise BadRule(f"{word.strip()}: behind the @ stands an address of this server, or network/mask")
    return network
