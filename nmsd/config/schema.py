"""The schema of settings in the directory, for OpenLDAP in both its forms and for 389 Directory Server.

Netscape's attributes are those that settings declare; their numbers, for which there is no source, are made from their
names as UUIDs below 2.25, and so never change.
"""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from nmsd.config.entries import CLASSES, SETTING_ATTRIBUTE, SETTING_CLASS, attribute_class, is_list
from nmsd.config.setting import Section, Setting

_SYNTAX: Final = "EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15"
_SPACE: Final = uuid.UUID("6f0c2a5e-52e4-4c39-9a2b-54c0a6c1f3d7")
_WIDTH: Final = 78
_ABOUT: Final = """\
# Settings of nmsd in a directory, for {server}.
#
# An entry holds settings if it has the class nmsdConfig: each value of nmsdSetting is one, as in
# "nmsdSetting: service.imap.maxsessions=8000". The other names are Netscape Messaging Server's, for those who are
# used to them; their numbers are below 2.25, where a UUID makes one.
#
# {use}
"""


def schema_files(sections: Sequence[Section]) -> dict[str, str]:
    """The files, by path from the project's root."""
    settings = [setting for section in sections for setting in section.settings]
    attributes, classes = list(_attributes(settings)), list(_classes(settings))
    return {
        "etc/ldap/nmsd-config.schema": _conf(attributes, classes),
        "etc/ldap/nmsd-config.ldif": _ldif(attributes, classes),
        "etc/ldap/98nmsd-config.ldif": _dirsrv(attributes, classes),
    }


def _number(name: str) -> str:
    return f"2.25.{uuid.uuid5(_SPACE, name.lower()).int}"


def _described(settings: Sequence[Setting[Any]]) -> Mapping[str, list[Setting[Any]]]:
    found: dict[str, list[Setting[Any]]] = {}
    for setting in settings:
        if attribute_class(setting):
            found.setdefault(setting.attribute, []).append(setting)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _attributes(settings: Sequence[Setting[Any]]) -> Iterator[str]:
    yield f"( {_number(SETTING_ATTRIBUTE)} NAME '{SETTING_ATTRIBUTE}' DESC 'A setting of nmsd, name=value' {_SYNTAX} )"
    for name, described in _described(settings).items():
        told = ", ".join(setting.name for setting in described)
        single = "" if any(is_list(setting) for setting in described) else " SINGLE-VALUE"
        yield f"( {_number(name)} NAME '{name}' DESC '{told}' {_SYNTAX}{single} )"


def _classes(settings: Sequence[Setting[Any]]) -> Iterator[str]:
    number = _number(SETTING_CLASS)
    yield f"( {number} NAME '{SETTING_CLASS}' DESC 'Holds settings' SUP top AUXILIARY MAY {SETTING_ATTRIBUTE} )"
    described = _described(settings)
    for family, name in CLASSES.items():
        found = [a for a, of in described.items() if any(attribute_class(each) == name for each in of)]
        may = f" MAY ( {' $ '.join(found)} )" if found else ""
        yield f"( {_number(name)} NAME '{name}' DESC 'Holds settings of {family}' SUP top AUXILIARY{may} )"


def _conf(attributes: Sequence[str], classes: Sequence[str]) -> str:
    use = "In slapd.conf: include .../nmsd-config.schema, after core.schema."
    kinds = (("attributetype", attributes), ("objectclass", classes))
    parts = [textwrap.fill(f"{kind} {each}", 110, subsequent_indent="    ") for kind, all in kinds for each in all]
    return "\n\n".join([_ABOUT.format(server="OpenLDAP", use=use).rstrip(), *parts]) + "\n"


def _ldif(attributes: Sequence[str], classes: Sequence[str]) -> str:
    use = "With slapd's own configuration: ldapadd -Y EXTERNAL -H ldapi:/// -f nmsd-config.ldif"
    lines = ["dn: cn=nmsd-config,cn=schema,cn=config", "objectClass: olcSchemaConfig", "cn: nmsd-config"]
    lines += [
        *(f"olcAttributeTypes: {each}" for each in attributes),
        *(f"olcObjectClasses: {each}" for each in classes),
    ]
    return _ABOUT.format(server="OpenLDAP", use=use) + "\n" + _fold(lines)


def _dirsrv(attributes: Sequence[str], classes: Sequence[str]) -> str:
    use = (
        "Copy it into the instance's schema directory, /etc/dirsrv/slapd-NAME/schema, and restart or reload the schema."
    )
    lines = ["dn: cn=schema"]
    lines += [*(f"attributeTypes: {each}" for each in attributes), *(f"objectClasses: {each}" for each in classes)]
    return _ABOUT.format(server="389 Directory Server", use=use) + _fold(lines)


def _fold(lines: Sequence[str]) -> str:
    """LDIF's long lines: what follows begins with a space."""
    folded = []
    for line in lines:
        pieces = [line[:_WIDTH]]
        pieces += [" " + line[at : at + _WIDTH - 1] for at in range(_WIDTH, len(line), _WIDTH - 1)]
        folded += pieces
    return "\n".join(folded) + "\n"
