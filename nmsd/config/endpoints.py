"""Where the services listen, worked out from their settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from nmsd.config import services
from nmsd.config.services import ServiceSettings
from nmsd.config.setting import Config, Section, Setting

Kind = Literal["plain", "tls", "unix"]
"""How a connection begins: in the clear (STARTTLS may follow), with a TLS handshake, or on a Unix socket."""


@dataclass(frozen=True)
class Endpoint:
    """One place to listen: an address and port, or (`kind` unix) a path in `address`."""

    kind: Kind
    address: str
    port: int = 0
    mode: int = 0

    def __str__(self) -> str:
        if self.kind == "unix":
            return self.address
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}" + (" (TLS)" if self.kind == "tls" else "")


def endpoints(config: Config, service: ServiceSettings) -> tuple[Endpoint, ...]:
    """The places a service listens on; none when it is not enabled."""
    if not services.is_offered(config, service):
        return ()
    addresses = config[service.listen] or config[services.LISTEN]
    kind: Kind = "tls" if service.tls_only else "plain"
    found = [Endpoint(kind, address, config[service.port]) for address in addresses]
    if config[service.enable_ssl_port]:
        found += [Endpoint("tls", address, config[service.ssl_port]) for address in addresses]
    if service is services.LMTP and config[services.LMTP_SOCKET]:
        found.append(Endpoint("unix", config.path(services.LMTP_SOCKET), mode=config[services.LMTP_SOCKET_MODE]))
    return tuple(found)


def port_setting(service: ServiceSettings, endpoint: Endpoint) -> Setting[int]:
    """The setting that gave an endpoint its port."""
    return service.ssl_port if endpoint.kind == "tls" and not service.tls_only else service.port


def _overlap(one: str, other: str) -> bool:
    # Sockets for IPv6 take no IPv4 connections here, so the two kinds of address never meet.
    if one == other:
        return True
    try:
        first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    except ValueError:
        return False
    return first.version == second.version and (first.is_unspecified or second.is_unspecified)


def _verify_ports(config: Config) -> Iterator[tuple[str, str]]:
    seen: list[tuple[str, Endpoint]] = []
    for service in services.SERVICES:
        told = set()
        for endpoint in endpoints(config, service):
            if endpoint.kind == "unix":
                continue
            name = port_setting(service, endpoint).name
            for other_name, other in seen:
                if other.port == endpoint.port and other_name != name and _overlap(other.address, endpoint.address):
                    if (name, other_name) not in told:
                        yield name, f"is the same port as {other_name}; give each its own, or disable one of the two"
                    told.add((name, other_name))
            seen.append((name, endpoint))


LISTEN_SECTION: Final = Section("Listening", (services.LISTEN,), _verify_ports)
