"""Configuration > Services: the settings of a service under the tabs System, Access and SSL."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, abort, redirect, url_for

from nmsd.config.services import CERTIFICATE, KEY, MAIL_SERVICES
from nmsd.config.setting import Setting
from nmsd.console import sheet
from nmsd.console.desk import Desk
from nmsd.console.render import desk
from nmsd.console.sheet import Sheet
from nmsd.server.settings import TLS_CIPHERS, TLS_MIN_VERSION

PAGE = Blueprint("services", __name__)

TABS: Final = {"system": "System", "access": "Access", "ssl": "SSL"}
_ACCESS: Final = (
    "plaintextmincipher",
    "allowanonymouslogin",
    "allowcertificatelogin",
    "requirecertificate",
    "certificatepreauth",
    "domainallowed",
    "domainnotallowed",
    "maxsessionsperuser",
    "maxsessionsperaddress",
    "retireidle",
    "maxbadcommands",
    "popminpoll",
)
_SSL: Final = ("enablesslport", "sslport")
_SHARED: Final = (CERTIFICATE, KEY, TLS_MIN_VERSION, TLS_CIPHERS)
_SHARED_PREFIX: Final = "encryption.client"


def tab_settings(found: Desk, service: str, tab: str) -> list[Setting[Any]]:
    """The settings under a tab.  Whatever a service has that is not Access or SSL is System."""
    prefix = f"service.{service}."
    own = {name.removeprefix(prefix): each for name, each in found.settings().items() if name.startswith(prefix)}
    if tab == "ssl":
        return [*(own[name] for name in _SSL if name in own), *_shared(found)]
    if tab == "access":
        return [own[name] for name in _ACCESS if name in own]
    return [each for name, each in own.items() if name not in _ACCESS and name not in _SSL]


def placed(found: Desk) -> set[str]:
    """The names of all settings that are under some tab."""
    return {each.name for service in MAIL_SERVICES for tab in TABS for each in tab_settings(found, service.name, tab)}


@PAGE.get("/services/<service>")
def start(service: str) -> Any:
    """The first tab."""
    return redirect(url_for("services.show", service=service, tab="system"))


@PAGE.get("/services/<service>/<tab>")
def show(service: str, tab: str) -> Any:
    """The form with the values in force."""
    return sheet.show(_sheet(service, tab))


@PAGE.post("/services/<service>/<tab>")
def save(service: str, tab: str) -> Any:
    """Saves what was changed."""
    return sheet.save(_sheet(service, tab))


def _shared(found: Desk) -> list[Setting[Any]]:
    more = [each for name, each in found.settings().items() if name.startswith(_SHARED_PREFIX)]
    return [*_SHARED, *more]


def _sheet(service: str, tab: str) -> Sheet:
    if tab not in TABS or service not in {each.name for each in MAIL_SERVICES}:
        abort(404)
    return Sheet(
        service.upper(),
        url_for("services.show", service=service, tab=tab),
        tab_settings(desk(), service, tab),
        [(url_for("services.show", service=service, tab=name), title) for name, title in TABS.items()],
        frozenset(each.name for each in _shared(desk())),
    )
