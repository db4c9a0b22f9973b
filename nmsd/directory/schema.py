"""What the attributes of a user's entry are called: Netscape's names, or others by settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmsd.config.setting import Config, Setting
from nmsd.directory import settings

Attributes = Mapping[str, Sequence[str]]
"""An entry's attributes: names in lower case without options, values in order."""


@dataclass(frozen=True)
class Schema:
    """The attribute names in force, in lower case; of several the first that an entry has counts."""

    uid: tuple[str, ...]
    name: tuple[str, ...]
    mail: tuple[str, ...]
    alias: tuple[str, ...]
    password: tuple[str, ...]
    scram: tuple[str, ...]
    size_quota: tuple[str, ...]
    message_quota: tuple[str, ...]
    status: tuple[str, ...]
    mail_status: tuple[str, ...]
    denied: tuple[str, ...]
    access: tuple[str, ...]
    access_domain: tuple[str, ...]
    mail_host: tuple[str, ...]
    delivery: tuple[str, ...]
    store: tuple[str, ...]
    password_time: tuple[str, ...]


def schema_of(config: Config) -> Schema:
    """The schema that the settings describe."""

    def names(setting: Setting[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(name.lower() for name in config[setting])

    return Schema(
        uid=names(settings.UID),
        name=names(settings.NAME),
        mail=names(settings.MAIL),
        alias=names(settings.ALIAS),
        password=names(settings.PASSWORD),
        scram=names(settings.SCRAM),
        size_quota=names(settings.SIZE_QUOTA),
        message_quota=names(settings.MESSAGE_QUOTA),
        status=names(settings.STATUS),
        mail_status=names(settings.MAIL_STATUS),
        denied=names(settings.DENIED),
        access=names(settings.ACCESS),
        access_domain=names(settings.ACCESS_DOMAIN),
        mail_host=names(settings.MAIL_HOST),
        delivery=names(settings.DELIVERY),
        store=names(settings.STORE),
        password_time=names(settings.PASSWORD_TIME),
    )


def values(attributes: Attributes, names: tuple[str, ...]) -> Sequence[str]:
    """The values of the first of these attributes that the entry has."""
    for name in names:
        found = attributes.get(name)
        if found:
            return found
    return ()


def value(attributes: Attributes, names: tuple[str, ...]) -> str:
    """The first value of the first of these attributes that the entry has, without space around it; ''."""
    found = values(attributes, names)
    return found[0].strip() if found else ""
