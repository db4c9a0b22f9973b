"""From a directory entry to a User, and the rules of status and access.  Shared by the back ends."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from nmsd.config.services import HOSTNAME
from nmsd.config.setting import Config
from nmsd.directory.access import BadRule, NameOf, host_name, judge, matches, parse_rules
from nmsd.directory.api import User
from nmsd.directory.schema import Attributes, Schema, value, values
from nmsd.directory.settings import DEFAULT_MESSAGES, DEFAULT_SIZE, HOST_NAMES, ZERO_QUOTA
from nmsd.model.errors import LoginRefused, NmsdError
from nmsd.model.message import Quota

ACTIVE: Final = "active"
KNOWN_STATUSES: Final = frozenset(
    ("active", "inactive", "disabled", "deleted", "removed", "hold", "overquota"),
)
_MAY_LOG_IN: Final = frozenset(("active", "overquota"))  # who is over quota must be able to delete
_SERVICE_WORDS: Final = {"pop3": "pop", "imap4": "imap"}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")

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
        access_rules=_texts(attributes, schema.access),
        access_domains=_texts(attributes, schema.access_domain),
        mail_host=_other_host(value(attributes, schema.mail_host), config),
        delivery=tuple(word.lower() for word in _texts(attributes, schema.delivery)),
        partition=value(attributes, schema.store),
    )


def read_status(user: str, mail: str) -> str:
    """The first of the two that is not active; missing ones are active, unknown words inactive (netscape.md)."""
    for word in (user.lower(), mail.lower()):
        if word and word != ACTIVE:
            return word if word in KNOWN_STATUSES else "inactive"
    return ACTIVE


def _texts(attributes: Attributes, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.strip() for text in values(attributes, names) if text.strip())


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


@dataclass(frozen=True)
class Check:
    """One rule of admission, as it was applied.  `refusal` is what it says to the client, if it keeps the user out."""

    what: str
    found: str
    refusal: LoginRefused | None = None


def admit(user: User, service: str, address: str, name_of: NameOf = host_name) -> None:
    """Lets the user into a service (imap, imaps, pop, pops) from a client's address.  Raises LoginRefused.  Blocks
    where a rule has host names in it."""
    if not _is_restricted(user):
        return
    for check in checks(user, service, address, name_of):
        if check.refusal is not None:
            raise check.refusal


def _is_restricted(user: User) -> bool:
    """Whether `checks` may find anything at all that keeps the user out: of most users nothing has to be looked at."""
    return bool(
        user.status not in _MAY_LOG_IN
        or user.mail_host
        or user.denied_services
        or user.access_rules
        or user.access_domains
    )


def checks(user: User, service: str, address: str, name_of: NameOf = host_name) -> Iterator[Check]:
    """The rules of admission, one after the other; the first that refuses decides.  Blocks as `admit` does."""

    def rule(what: str, found: str, refused: bool, words: str, code: str = "AUTHORIZATIONFAILED") -> Check:
        return Check(what, found, LoginRefused(words, code) if refused else None)

    yield rule("status", user.status, user.status not in _MAY_LOG_IN, f"This account is {user.status}")
    host = user.mail_host
    yield rule("mail host", host or "this server", bool(host), f"This account is on {host}", _referral(user, host))
    denied = not user.denied_services.isdisjoint((service, service.removesuffix("s")))
    words = "This account may not use this service"
    yield rule("denied services", ", ".join(sorted(user.denied_services)) or "none", denied, words)
    found = " $ ".join(user.access_rules) or "none"
    wrong = ""  # mypyc: a generator does not yield while it handles an error
    try:
        verdict = judge(parse_rules(user.access_rules), service, address, name_of)
    except BadRule as error:
        wrong = f"This account's access rules are wrong: {error}"
    if wrong:
        yield rule("access rules", found, True, wrong)
        return
    if user.access_rules:
        found += f"; decided by {verdict.rule}" if verdict.rule else "; none of them matches"
    yield rule("access rules", found, not verdict.allowed, "This account may not use this service from there")
    found = ", ".join(user.access_domains) or "any"
    try:
        near = not user.access_domains or any(matches(text, address, name_of) for text in user.access_domains)
    except BadRule as error:
        wrong = f"This account's access rules are wrong: {error}"
    if wrong:
        yield rule("access domains", found, True, wrong)
        return
    yield rule("access domains", found, not near, "This account may not be used from there")


def _other_host(text: str, config: Config) -> str:
    """The server that has a user's mailbox, if it is not this one; else ''."""
    host = text.lower().rstrip(".")
    if not host:
        return ""
    own = {name.lower().rstrip(".") for name in config[HOST_NAMES]}
    own.add((config[HOSTNAME] or socket.gethostname()).lower())
    # A server that knows itself by the first part of its name alone is meant by the whole name as well.
    if "*" in own or host in own or host.partition(".")[0] in own:
        return ""
    return host


def _referral(user: User, host: str) -> str:
    """The response code that sends a client elsewhere (RFC 2221)."""
    if not _HOST.fullmatch(host):
        return "AUTHORIZATIONFAILED"
    return f"REFERRAL imap://{quote(user.uid, safe='')}@{host}/"
