"""Configuration > Services: the settings of a service under the tabs System, Access and SSL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, abort, flash, g, redirect, request, url_for

from nmsd.config.edit import FileChanged
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.services import CERTIFICATE, CLIENT_CA_FILE, CLIENT_CRL_FILES, KEY, MAIL_SERVICES
from nmsd.config.setting import Setting
from nmsd.console.desk import Desk
from nmsd.console.forms import Field, make_field, take_form, with_problems
from nmsd.console.render import desk, page
from nmsd.model.errors import NmsdError
from nmsd.server.settings import CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED, TLS_CIPHERS, TLS_MIN_VERSION

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
    "logintimeout",
    "maxbadcommands",
    "popminpoll",
)
_SSL: Final = ("enablesslport", "sslport")
_SHARED: Final = (
    *(CERTIFICATE, KEY, TLS_MIN_VERSION, TLS_CIPHERS),
    *(CLIENT_CA_FILE, CLIENT_CRL_FILES, CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED),
)
_CHANGED: Final = (
    "Somebody else has changed the settings since you opened this page; nothing was saved. The fields below are as you"
    " typed them: look at them again beside what is in force now, and save once more."
)


def tab_settings(found: Desk, service: str, tab: str) -> list[Setting[Any]]:
    """The settings under a tab.  Whatever a service has that is not Access or SSL is System."""
    prefix = f"service.{service}."
    own = {name.removeprefix(prefix): each for name, each in found.settings().items() if name.startswith(prefix)}
    if tab == "ssl":
        return [*(own[name] for name in _SSL if name in own), *_SHARED]
    if tab == "access":
        return [own[name] for name in _ACCESS if name in own]
    return [each for name, each in own.items() if name not in _ACCESS and name not in _SSL]


@PAGE.get("/services/<service>")
def start(service: str) -> Any:
    """The first tab."""
    return redirect(url_for("services.show", service=service, tab="system"))


@PAGE.get("/services/<service>/<tab>")
def show(service: str, tab: str) -> Any:
    """The form with the values in force."""
    settings = _settings(service, tab)
    loaded = desk().read()
    return _form(service, tab, [make_field(setting, loaded) for setting in settings])


@PAGE.post("/services/<service>/<tab>")
def save(service: str, tab: str) -> Any:
    """Saves what was changed and reloads the server, or says what is wrong beside the field."""
    settings = _settings(service, tab)
    loaded = desk().read()
    changes, fields = take_form(settings, loaded, request.form)
    if any(field.error for field in fields):
        return _form(service, tab, fields, "Nothing was saved: please correct what is marked below."), 422
    version = request.form.get("version", "")
    if version != desk().version():
        return _form(service, tab, fields, _CHANGED), 409
    if not changes:
        flash("Nothing was changed.", "note")
        return redirect(url_for("services.show", service=service, tab=tab), 303)
    try:
        late = desk().save(changes, version, g.user)
    except FileChanged:
        return _form(service, tab, fields, _CHANGED), 409
    except ConfigError as error:
        fields, others = with_problems(fields, error.problems)
        told = "Nothing was saved: the server refuses these settings."
        return _form(service, tab, fields, told, others), 422
    except NmsdError as error:
        return _form(service, tab, fields, f"Nothing was saved: {error}"), 503
    for setting in settings:
        if setting.name in changes:
            when = "at the next restart of the server" if setting.name in late else _told(setting)
            flash(f"{setting.label or setting.name} is now {changes[setting.name] or 'empty'}: {when}.", "done")
    return redirect(url_for("services.show", service=service, tab=tab), 303)


def _told(setting: Setting[Any]) -> str:
    new_only = setting.reload == "worker"
    return "in force for new sessions; those there are go on as they were" if new_only else "in force"


def _settings(service: str, tab: str) -> list[Setting[Any]]:
    if tab not in TABS or service not in {each.name for each in MAIL_SERVICES}:
        abort(404)
    return tab_settings(desk(), service, tab)


def _form(service: str, tab: str, fields: Sequence[Field], error: str = "", problems: Sequence[Problem] = ()) -> str:
    loaded = desk().read()
    known = desk().settings()
    in_force = {field.name: make_field(known[field.name], loaded).text for field in fields}
    return page(
        "service.html",
        service=service,
        tab=tab,
        tabs=TABS,
        fields=fields,
        in_force=in_force,
        error=error,
        problems=problems,
        file_version=desk().version(),
        shared={setting.name for setting in _SHARED},
    )
