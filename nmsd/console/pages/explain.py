"""Explain login: the way of a login, step by step, as `nmsd explain login` prints it."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from flask import Blueprint, request

from nmsd.console.render import desk, page

PAGE = Blueprint("explain", __name__)
SERVICES: Final = ("imap", "imaps", "pop", "pops")


@PAGE.get("/explain")
def show() -> Any:
    """The form, and the steps once it is filled in."""
    login = request.args.get("login", "").strip()
    service = request.args.get("service", SERVICES[0])
    address = request.args.get("from", "").strip() or "127.0.0.1"
    typed = {"login": login, "service": service, "address": address}
    error = wrong(service, address)
    if error or not login:
        return page("explain.html", services_offered=SERVICES, steps=[], error=error, **typed), 422 if error else 200
    return page(
        "explain.html", services_offered=SERVICES, steps=desk().explain(login, service, address), error="", **typed
    )


def wrong(service: str, address: str) -> str:
    """What is wrong with what was asked for, '' for nothing."""
    if service not in SERVICES:
        return f"There is no service {service}; there are {', '.join(SERVICES)}."
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"{address} is no IP address."
    return ""
