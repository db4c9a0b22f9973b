"""From a directory entry to a User, and the rules of status and access.  Shared by the back ends."""

from __future__ import annotations

from typing import Final

from nmsd.config.setting import Config
from nmsd.directory.api import User
from nmsd.directory.schema import Attributes, Schema, value, values
from nmsd.directory.settings import DEFAULT_MESSAGES, DEFAULT_SIZE, ZERO_QUOTA
from nmsd.model.errors import LoginRefused, NmsdError
from nmsd.model.message import Quota

ACTIVE: Final = "active"
KNOWN_STATUSES: Final = frozenset(
    ("active", "inactive", "disabled", "deleted", "removed", "hold", "overquota"),
)
_MAY_LOG_IN: Final = frozenset(("active", "overquota"))  # who is over quota must be able to delete
_SERVICE_WORDS: Final = {"pop3": "pop", "imap4": "imap"}

_NO_LIMIT: Final = -1
_SERVER_DEFAULT: Final = -2


class BadEntry(NmsdError):
    """An entry that cannot be understood; the text says which and why."""


def read_user(dn: str, attributes: Attributes, schema: Schema, config: Config, default_domain: str) -> User | None:
    """The user that an entry describes, or None if it is none (no login name or no address).  Raises BadEntry."""
    uid = value(attributes, schema.uid)
    mail = value(attributes, schema.mail).lower()
    if not mail and default_domain:
        mail = f"{uid.lower()}@{default_domain}"
    if not uid or not mail:
        return None
    return User(
        dn=dn,
        uid=uid,
        account=mail,
        name=value(attributes, schema.name),
        aliases=tuple(alias.strip().lower() for alias in values(attributes, schema.alias)),
        status=read_status(value(attributes, schema.status), value(attributes, schema.mail_status)),
        quota=_quota(dn, attributes, schema, config),
        denied_services=_denied(attributes, schema),
    )


def read_status(user: str, mail: str) -> str:
    """The first of the two that is not active; missing ones are active, unknown words inactive (netscape.md)."""
    for word in (user.lower(), mail.lower()):
        if word and word != ACTIVE:
            return word if word in KNOWN_STATUSES else "inactive"
    return ACTIVE


def _denied(attributes: Attributes, schema: Schema) -> frozenset[str]:
    words = (word.strip().lower() for text in values(attributes, schema.denied) for word in text.split(","))
    return frozenset(_SERVICE_WORDS.get(word, word) for word in words if word)


def _quota(dn: str, attributes: Attributes, schema: Schema, config: Config) -> Quota:
    return Quota(
        size=_limit(dn, value(attributes, schema.size_quota), config[DEFAULT_SIZE], config[ZERO_QUOTA]),
        messages=_limit(dn, value(attributes, schema.message_quota), config[DEFAULT_MESSAGES], config[ZERO_QUOTA]),
    )


def _limit(dn: str, text: str, default: int, zero: str) -> int | None:
    number = _SERVER_DEFAULT
    if text:
        try:
            number = int(text)
        except ValueError:
            raise BadEntry(f"{dn}: quota {text!r} is no number") from None
    if number == 0:
        if zero == "refuse":
            raise BadEntry(f"{dn}: a quota of 0 means no limit or no room; say which with {ZERO_QUOTA.name}")
        return None if zero == "unlimited" else 0
    if number == _SERVER_DEFAULT:
        number = default
    if number == _NO_LIMIT:
        return None
    if number < 0:
        raise BadEntry(f"{dn}: quota {text} is below -2")
    return number


def admit(user: User, service: str) -> None:
    """Lets the user into a service (imap, pop).  Raises LoginRefused."""
    if user.status not in _MAY_LOG_IN:
        raise LoginRefused(f"This account is {user.status}")
    if service in user.denied_services:
        raise LoginRefused("This account may not use this service")
