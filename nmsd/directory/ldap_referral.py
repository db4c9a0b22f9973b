"""Where a server refers to (RFC 4516), and whether we go there: only to servers that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nmsd.config.ldap_address import Address, parse_address
from nmsd.directory import ldap_settings

if TYPE_CHECKING:
    from nmsd.config.setting import Config


@dataclass(frozen=True)
class Referral:
    """A server, and the entry below which to go on there; '' for the one asked for."""

    address: Address
    base: str


def allowed(config: Config) -> tuple[Address, ...]:
    """The servers that referrals may lead to."""
    return tuple(parse_address(text) for text in config[ldap_settings.REFERRALS])


def parse_referral(url: str) -> Referral | None:
    """What the URL means; None for one that is not understood."""
    scheme, separator, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if not separator or not host:
        return None
    try:
        address = parse_address(f"{scheme}://{host}")
    except ValueError:
        return None
    return Referral(Address(address.scheme, address.host.lower(), address.port), unquote(path.partition("?")[0]))
