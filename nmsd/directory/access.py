"""Who may use which service from where: mailAllowedServiceAccess and mailAccessDomain, and the services' own filters.

A user's rule is `+imap,pop:ALL` or `-imaps:.example.com EXCEPT host.example.com`: services, then clients as
config.clients knows them; several are joined by `$`.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nmsd.config import clients as rules
from nmsd.config.admission import filter_settings
from nmsd.config.clients import SPOOFED, BadRule, Client, NameOf, Rule, is_among, parse_clients, parse_services
from nmsd.config.setting import Config

__all__ = ["BadRule", "NameOf", "Verdict", "explain_filters", "host_name", "judge", "matches", "parse_rules"]


@dataclass(frozen=True)
class Verdict:
    """What came out of a user's rules, and of which; '' if none matched."""

    allowed: bool
    rule: str = ""


def parse_rules(values: Sequence[str]) -> tuple[Rule, ...]:
    """The rules in an attribute's values.  Raises BadRule."""
    return tuple(_rule(text.strip()) for value in values for text in value.split("$") if text.strip())


def judge(found: Sequence[Rule], service: str, address: str, name_of: NameOf) -> Verdict:
    """Whether a user may use the service (imap, imaps, pop, pops) from an address."""
    verdict = rules.judge(found, service, Client(address, name_of))
    return Verdict(bool(verdict.allowed), verdict.rule.text if verdict.rule else "")


def matches(clients: str, address: str, name_of: NameOf) -> bool:
    """Whether a client is in a list such as `.example.com, 192.0.2.0/24 EXCEPT 192.0.2.7`.  Raises BadRule."""
    return bool(is_among(parse_clients(clients), Client(address, name_of)))


class Resolver(Protocol):
    """What looks names up: the module socket, or the one below it."""

    def gethostbyaddr(self, address: str, /) -> tuple[str, list[str], list[str]]: ...

    def getaddrinfo(self, host: str, port: None, /) -> list[Any]: ...


def host_name(address: str, resolver: Resolver = socket) -> str:
    """The name of an address by DNS, as config.clients.NameOf says.  Anyone may claim a name for his own addresses, so
    it counts only if the name has that address too.  Blocks."""
    try:
        name = resolver.gethostbyaddr(address)[0]
    except (OSError, UnicodeError):
        return ""
    try:
        back = {info[4][0] for info in resolver.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return SPOOFED
    return name.lower().rstrip(".") if address in back else SPOOFED


def explain_filters(
    config: Config, service: str, address: str, users: frozenset[str] | None, name_of: NameOf = host_name
) -> tuple[bool | None, str]:
    """Whether the filters of the service (imap, imaps, pop, pops) let a client in who logs in under one of these names,
    and the rule that decides, in words.  Without `users`: before the login, where None says that it hangs on that.
    Blocks where a rule has host names in it."""
    settings = filter_settings(service.removesuffix("s"))
    filters = (*config[settings.allowed], *config[settings.not_allowed]) if settings else ()
    if settings is None or not filters:
        return True, "none"
    verdict = rules.judge(filters, service, Client(address, name_of, users))
    if verdict.allowed is None:
        told = " $ ".join(dict.fromkeys(rule.text for rule in filters if rule.names_users()))
        return None, f"it hangs on who logs in: {told}"
    if verdict.rule is not None:
        setting = settings.allowed if verdict.rule.allows else settings.not_allowed
        return verdict.allowed, f"decided by {setting.name}: {verdict.rule.text}"
    if verdict.allowed:
        return True, f"none of {settings.allowed.name} and {settings.not_allowed.name} matches, so the client may enter"
    return False, f"none of {settings.allowed.name} matches, and {settings.not_allowed.name} is empty"


def _rule(text: str) -> Rule:
    sign, rest = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
    names, colon, clients = rest.partition(":")
    if not colon or not clients.strip() or not names.replace(",", "").strip():
        raise BadRule(f"{text!r} is not of the form +services:clients")
    return Rule(sign == "+", parse_services(names), parse_clients(clients), text)
