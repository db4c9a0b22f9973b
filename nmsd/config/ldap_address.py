"""Where a directory server is: LDAP URLs (RFC 4516 §2, without a base in them) and plain host names."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from nmsd.config import kinds
from nmsd.config.setting import Kind

LDAP_PORT: Final = 389
LDAPS_PORT: Final = 636
_SCHEMES: Final = ("ldap", "ldaps", "ldapi")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


@dataclass(frozen=True)
class Address:
    """A server's address.  `scheme` is ldap, ldaps or ldapi; for ldapi, `host` is the path of the socket, `port` 0."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """As a URL, the port always told."""
        if self.scheme == "ldapi":
            return "ldapi://" + quote(self.host, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether what is sent to it stays on this machine."""
        if self.scheme == "ldapi" or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, port: int = 0, use_ssl: bool = False) -> Address:
    """The address that a URL or `host[:port]` means; `port` (0: the scheme's registered one) and `use_ssl` count where
    the text does not say.  Raises ValueError."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = ("ldaps" if use_ssl else "ldap"), text.strip()
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise ValueError(f"{text}: not an LDAP URL (ldap://, ldaps://, ldapi://) or a host name")
    if scheme == "ldapi":
        path = unquote(rest.rstrip("/"))
        if not path.startswith("/"):
            raise ValueError(f"{text}: ldapi:// takes a socket's path with %2f for /, such as ldapi://%2frun%2fldapi")
        return Address(scheme, path, 0)
    host, own_port = _split(rest.removesuffix("/"), text)
    registered = LDAPS_PORT if scheme == "ldaps" else LDAP_PORT
    return Address(scheme, host, own_port or port or registered)


def servers() -> Kind[tuple[str, ...]]:
    """The kind of settings that name directory servers."""
    allowed = "LDAP URLs or host:port, in order of preference, with commas between"
    listed = kinds.words(allowed)

    def parse(value: Any) -> tuple[str, ...]:
        found = tuple(word for piece in listed.parse(value) for word in piece.split())
        for word in found:
            parse_address(word)
        return found

    return Kind(parse, listed.write, allowed, "force_list")


def _split(rest: str, text: str) -> tuple[str, int]:
    port = 0
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError(f"{text}: an IPv6 address goes into brackets, as in ldap://[::1]:389")
        port = _port(tail[1:], text) if tail else 0
    elif rest.count(":") == 1:
        host, _, digits = rest.partition(":")
        port = _port(digits, text)
    else:
        host = rest
    if ":" in host or rest.startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"{text}: {host} is no IPv6 address") from None
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{text}: there is no host name in it" if not host else f"{text}: {host} is no host name")
    return host, port


def _port(digits: str, text: str) -> int:
    if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= 65535:
        raise ValueError(f"{text}: the port is not a number from 1 to 65535")
    return int(digits)
