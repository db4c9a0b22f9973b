"""The settings of SASL: what is offered, whose mail anonymous users read, and which tokens are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nmsd.config import kinds
from nmsd.config.setting import Config, Kind, Section, Setting
from nmsd.wire.sasl import MECHANISMS

_NAMES: Final = tuple(mechanism.name.decode("ascii") for mechanism in MECHANISMS)
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a token may be signed with (RFC 7518 §3.1): nothing that needs a secret shared with this server, nor none."""


def _some_of(known: tuple[str, ...]) -> Kind[tuple[str, ...]]:
    """Some of these words, in any case, with commas or spaces between."""
    allowed = "some of " + ", ".join(known)
    listed = kinds.words(allowed)
    spelled = {word.lower(): word for word in known}

    def parse(value: Any) -> tuple[str, ...]:
        found = [word for piece in listed.parse(value) for word in piece.split()]
        for word in found:
            if word.lower() not in spelled:
                raise ValueError(f"{word} is none of them")
        return tuple(dict.fromkeys(spelled[word.lower()] for word in found))

    return Kind(parse, listed.write, allowed, "force_list")


MECH_LIST: Final = Setting(
    "sasl.default.mech_list",
    _some_of(_NAMES),
    _NAMES,
    "The SASL mechanisms that are offered, in this order, each where it can be used: PLAIN and LOGIN where passwords"
    " may be sent, EXTERNAL to clients with a certificate, SCRAM where the directory holds its keys, tokens where there"
    " is a key set and TLS, ANONYMOUS where a service is open to anybody. The default leaves none out; take out what"
    " your clients stumble over. SCRAM-SHA-256-PLUS costs 9 KB more for each session with TLS, where SCRAM is offered.",
)
ANONYMOUS_USER: Final = Setting(
    "service.anonymoususer",
    kinds.text("a login name"),
    "",
    "The user whose mail anonymous clients read, such as the archive of a mailing list. They cannot change anything in"
    " it. Empty: there is no anonymous login, whatever service.imap.allowanonymouslogin says.",
)


def _anonymous(service: str) -> Setting[bool]:
    return Setting(
        f"service.{service}.allowanonymouslogin",
        kinds.boolean(),
        False,
        f"Whether anybody may read the mail of the user in service.anonymoususer over {service.upper()}, without a"
        " password and without changing anything. Off, as on Netscape's servers; on for archives that are open to all.",
        label="Allow anonymous login",
        attribute="nsmsgAllowAnonymousLogin",
    )


ALLOW_ANONYMOUS: Final = {service: _anonymous(service) for service in ("imap", "pop")}
"""By service."""
KEY_SET: Final = Setting(
    "sasl.oauth.keyset",
    kinds.path(),
    "",
    "The keys that OAuth tokens must be signed with: a JSON Web Key Set, as your identity provider publishes it. It is"
    " read again when it changes. Empty: no tokens are taken.",
    reload="worker",
)
ISSUER: Final = Setting(
    "sasl.oauth.issuer",
    kinds.text("what tokens have as iss, mostly a URL"),
    "",
    "Who must have issued a token. Needed where there is a key set.",
)
AUDIENCE: Final = Setting(
    "sasl.oauth.audience",
    kinds.words("words, with commas between"),
    (),
    "Whom a token must be meant for (aud): one of these. Needed where there is a key set, or a token that a user gave"
    " to any other service would open the mailbox.",
)
CLAIM: Final = Setting(
    "sasl.oauth.userclaim",
    kinds.text("the name of a claim", required=True),
    "email",
    "The claim that names the user, by login name or address: email, preferred_username or sub, or one of your own."
    " Take only one that users cannot choose for themselves.",
)
SCOPE: Final = Setting(
    "sasl.oauth.scope",
    kinds.text("a word"),
    "",
    "The scope that a token must have, such as mail; clients are told to ask for it. Empty: any.",
)
ALGORITHMS: Final = Setting(
    "sasl.oauth.algorithms",
    _some_of(_ALGORITHMS),
    ("RS256", "PS256", "ES256", "EdDSA"),
    "The algorithms a token may be signed with. The default are those in use; there are none with shared secrets.",
)
LEEWAY: Final = Setting(
    "sasl.oauth.leeway",
    kinds.integer(0, 600, "seconds"),
    30,
    "How far the clocks of this server and the identity provider may differ when a token's times are looked at.",
)
DISCOVERY: Final = Setting(
    "sasl.oauth.configuration",
    kinds.text("an https URL"),
    "",
    "The OpenID configuration document that clients without a good token are pointed to. Empty: none.",
)


def _verify(config: Config) -> Iterator[tuple[str, str]]:
    if config[KEY_SET]:
        if not config[ISSUER]:
            yield ISSUER.name, f"is empty, but {KEY_SET.name} is not; say who issues the tokens"
        if not config[AUDIENCE]:
            yield AUDIENCE.name, f"is empty, but {KEY_SET.name} is not; say whom tokens must be meant for"
    for setting in ALLOW_ANONYMOUS.values():
        if config[setting] and not config[ANONYMOUS_USER]:
            yield ANONYMOUS_USER.name, f"is empty, but {setting.name} is yes; name a user, or say no"


SECTION: Final = Section(
    "SASL",
    (
        MECH_LIST,
        *ALLOW_ANONYMOUS.values(),
        ANONYMOUS_USER,
        KEY_SET,
        ISSUER,
        AUDIENCE,
        CLAIM,
        SCOPE,
        ALGORITHMS,
        LEEWAY,
        DISCOVERY,
    ),
    _verify,
)
