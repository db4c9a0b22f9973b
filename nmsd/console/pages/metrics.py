"""/metrics: the figures of the server in OpenMetrics text, for clients on this machine."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from flask import Blueprint, abort, request

from nmsd.console.openmetrics import render
from nmsd.console.render import desk

PAGE = Blueprint("metrics", __name__)
_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@PAGE.get("/metrics")
def show() -> Any:
    """All of them, as of now."""
    if not _is_loopback(request.remote_addr or ""):
        abort(403, "The metrics are for clients on this machine.")
    status = desk().status()
    counters = list(desk().ask({"command": "counters"}))
    return render(status, counters), 200, {"Content-Type": _TYPE}


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
