"""/metrics: the figures of the server in OpenMetrics text, or in Prometheus' older one, for clients on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from flask import Blueprint, abort, request

from nmsd.console.openmetrics import render
from nmsd.console.render import desk
from nmsd.console.rest.operation import bearer
from nmsd.model.errors import NmsdError
from nmsd.supervisor.inquiry import ask_worker

PAGE = Blueprint("metrics", __name__)
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PATIENCE_S: Final = 2.0
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


@PAGE.get("/metrics")
def show() -> Any:
    """All of them, as of now."""
    if not _is_loopback(request.remote_addr or ""):
        token = bearer(desk())
        if token is None or "metrics" not in token.scopes:
            abort(403, "The metrics are for clients on this machine, or with a token of the scope metrics.")
    status = desk().status()
    counters = list(_counters(status))
    # Prometheus says that it takes both; only who asks for plain text alone gets the older format.
    best = request.accept_mimetypes.best_match(["application/openmetrics-text", "text/plain"])
    is_older = best == "text/plain"
    text = render(status, counters, _numbers(), not is_older)
    return text, 200, {"Content-Type": _TEXT if is_older else _OPENMETRICS}


def _counters(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of the workers that answer soon: one that hangs must not hide the others from whoever watches."""
    for service in status["services"]:
        for worker in service["workers"]:
            try:
                yield from ask_worker(desk().instance, int(worker["pid"]), {"command": "counters"}, _PATIENCE_S)
            except NmsdError:
                pass  # what the supervisor knows of it is told all the same


def _numbers() -> dict[str, float]:
    """The settings that are numbers."""
    config = desk().config
    values = {setting.name: config[setting] for setting in desk().settings().values() if not setting.secret}
    return {name: value for name, value in values.items() if isinstance(value, int) and not isinstance(value, bool)}


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
