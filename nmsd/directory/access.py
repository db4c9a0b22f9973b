"""Who may use which service from where: mailAllowedServiceAccess and mailAccessDomain.

A rule is `+imap,pop:ALL` or `-imaps:.example.com EXCEPT host.example.com`: services, then clients as TCP wrappers write
them; several are joined by `$`.  Rules that allow are read first, then those that deny; the first that matches decides.
Where none does, the client may enter, unless there are rules that allow and none that deny.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

NameOf = Callable[[str], str]
"""The host name of an address, or '' if it has none that leads back to it."""

_ALL: Final = frozenset(("all", "*"))
_SERVICES: Final = {"pop3": "pop", "pop3s": "pops", "imap4": "imap"}


class BadRule(ValueError):
    """A rule that cannot be understood; the text says why."""


@dataclass(frozen=True)
class Rule:
    """One rule.  `services` is empty for all of them."""

    allows: bool
    services: frozenset[str]
    clients: str
    text: str

    def covers(self, service: str) -> bool:
        """Whether it speaks of the service."""
        return not self.services or service in self.services


@dataclass(frozen=True)
class Verdict:
    """What came out, and of which rule; '' if none matched."""

    allowed: bool
    rule: str = ""


def parse_rules(values: Sequence[str]) -> tuple[Rule, ...]:
    """The rules in an attribute's values.  Raises BadRule."""
    return tuple(_rule(text.strip()) for value in values for text in value.split("$") if text.strip())


def judge(rules: Sequence[Rule], service: str, address: str, name_of: NameOf) -> Verdict:
    """Whether a client at `address` may use the service (imap, imaps, pop, pops).  Raises BadRule."""
    for allows in (True, False):
        for rule in rules:
            if rule.allows is allows and rule.covers(service) and matches(rule.clients, address, name_of):
                return Verdict(allows, rule.text)
    kinds = {rule.allows for rule in rules}
    return Verdict(kinds != {True})


def matches(clients: str, address: str, name_of: NameOf) -> bool:
    """Whether a client is in a list such as `.example.com, 192.0.2.0/24 EXCEPT 192.0.2.7`.  Raises BadRule."""
    words = clients.replace(",", " ").split()
    lists: list[list[str]] = [[]]
    for word in words:
        if word.upper() == "EXCEPT":
            lists.append([])
        else:
            lists[-1].append(word)
    if not all(lists):
        raise BadRule(f"{clients!r} has an empty list of clients")
    # a EXCEPT b EXCEPT c is a EXCEPT (b EXCEPT c).
    found = False
    for part in reversed(lists):
        found = any(_matches_one(word, address, name_of) for word in part) and not found
    return found


def host_name(address: str) -> str:
    """The name of an address by DNS, if the name has that address too: anyone may claim a name for his own addresses.
    Blocks."""
    try:
        name = socket.gethostbyaddr(address)[0]
        back = {info[4][0] for info in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return ""
    return name.lower() if address in back else ""


def _rule(text: str) -> Rule:
    sign, rest = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
    services, colon, clients = rest.partition(":")
    words = frozenset(word.strip().lower() for word in services.split(",") if word.strip())
    if not colon or not words or not clients.strip():
        raise BadRule(f"{text!r} is not of the form +services:clients")
    if words & _ALL:
        words = frozenset()
    return Rule(sign == "+", frozenset(_SERVICES.get(word, word) for word in words), clients.strip(), text)


def _matches_one(word: str, address: str, name_of: NameOf) -> bool:
    pattern = word.lower()
    if pattern in _ALL:
        return True
    if pattern in ("known", "unknown"):
        return bool(name_of(address)) is (pattern == "known")
    if pattern == "local":
        return "." not in (name_of(address) or ".")
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return False  # a Unix socket: only ALL means it
    mapped = getattr(client, "ipv4_mapped", None)
    client = mapped or client
    network = _network(pattern)
    if network is not None:
        return client.version == network.version and client in network
    if pattern.endswith(".") and pattern[:1].isdigit():
        return f"{client}.".startswith(pattern)
    if pattern.startswith("."):
        return name_of(str(client)).endswith(pattern)
    return name_of(str(client)) == pattern


def _network(pattern: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    bare = pattern.replace("[", "").replace("]", "")
    try:
        return ipaddress.ip_network(bare, strict=False)
    except ValueError:
        if "/" in pattern:
            raise BadRule(f"{pattern} is no network") from None
        return None
