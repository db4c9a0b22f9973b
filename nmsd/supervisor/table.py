"""The table of services: what runs, where it listens and in how many processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nmsd.config.endpoints import Endpoint, endpoints, port_setting
from nmsd.config.load import Origin, problem_of
from nmsd.config.problem import Problem
from nmsd.config.services import LMTP_SOCKET, SERVICES, ServiceSettings, is_offered
from nmsd.config.setting import Config


@dataclass(frozen=True)
class Row:
    """One service as the settings want it."""

    name: str
    processes: int
    endpoints: tuple[Endpoint, ...]


def rows(config: Config) -> dict[str, Row]:
    """The enabled services, by name, in the order they are started."""
    return {
        service.name: Row(service.name, config[service.num_processes], endpoints(config, service))
        for service in SERVICES
        if is_offered(config, service)
    }


def known_services() -> tuple[str, ...]:
    """The names of all services, enabled or not."""
    return tuple(service.name for service in SERVICES)


def endpoint_problem(
    config: Config, origins: Mapping[str, Origin], service_name: str, endpoint: Endpoint, told: str
) -> Problem:
    """The problem of an endpoint that cannot be had, with the setting that asks for it."""
    service = _service(service_name)
    setting = LMTP_SOCKET if endpoint.kind == "unix" else port_setting(service, endpoint)
    return problem_of(config, setting, origins, f"{endpoint} {told}")


def _service(name: str) -> ServiceSettings:
    return next(service for service in SERVICES if service.name == name)
