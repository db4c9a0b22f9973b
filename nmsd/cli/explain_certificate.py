"""The steps of a login by certificate, for nmsd explain: as the handshake and the rules of certmap.conf take them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from nmsd.model.errors import DirectoryError

if TYPE_CHECKING:
    from nmsd.config.services import ServiceSettings
    from nmsd.config.setting import Config
    from nmsd.directory.api import Directory, User
    from nmsd.directory.step import Step


def settings_steps(config: Config, settings: ServiceSettings, service: str) -> Iterator[Step]:
    """Whether clients of the service are asked for a certificate at all."""
    from nmsd.config.services import CLIENT_CA_FILE
    from nmsd.directory.step import Step

    if not service.endswith("s"):
        yield Step("TLS", False, "a session without TLS has no certificate")
    logins = settings.certificates
    assert logins is not None
    allowed = config[logins.allow]
    yield Step("certificate login", allowed, f"{logins.allow.name} is {'yes' if allowed else 'no'}")
    path = config[CLIENT_CA_FILE]
    words = config.path(CLIENT_CA_FILE) if path else "is empty: clients are asked for no certificate"
    yield Step("authorities", bool(path), f"{CLIENT_CA_FILE.name}: {words}")
    preauth = config[logins.preauth]
    when = "before the first command" if preauth else "when the client says AUTHENTICATE EXTERNAL (POP3: AUTH EXTERNAL)"
    yield Step("logged in", None, f"{when} ({logins.preauth.name} is {'yes' if preauth else 'no'})")


def certificate_steps(config: Config, certificates: Sequence[bytes]) -> Generator[Step, None, str]:
    """What the handshake makes of a client's certificate, the first of these; the others are those it sends along.
    Returns why it is not accepted, or ''."""
    from OpenSSL import crypto

    from nmsd.config.services import CLIENT_CA_FILE
    from nmsd.directory.certificate import read_certificate
    from nmsd.directory.certificate_name import UNREADABLE
    from nmsd.directory.dn import write_dn
    from nmsd.directory.step import Step
    from nmsd.server.authorities import Authorities, Unusable

    try:
        shown = read_certificate(certificates[0] if certificates else b"")
        loaded = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in certificates]
        first = loaded[0].to_cryptography()
    except (DirectoryError, crypto.Error, *UNREADABLE) as error:
        words = str(error) if isinstance(error, DirectoryError) else "a certificate cannot be read"
        yield Step("certificate", False, words)
        return words
    yield Step("subject", None, write_dn(shown.subject) or "(none)")
    yield Step("issuer", None, write_dn(shown.issuer))
    yield Step("serial number", None, f"{first.serial_number:x}")
    yield Step("valid", None, f"from {first.not_valid_before_utc} to {first.not_valid_after_utc}")
    if not config[CLIENT_CA_FILE]:
        return "clients are asked for no certificate"
    try:
        verdict = Authorities(config, time.time).check(loaded[0], loaded[1:])
    except Unusable as error:
        yield Step("chain", False, str(error))
        return str(error)
    if verdict.refusal:
        yield Step("chain", False, verdict.refusal)
        return f"the certificate: {verdict.refusal}"
    yield Step("chain", True, " < ".join(verdict.chain))
    yield Step("revocation", None if "not looked up" in verdict.revocation else True, verdict.revocation)
    return ""


def mapping_steps(
    config: Config, directory: Directory, certificate: bytes
) -> Generator[Step, None, tuple[User | None, str]]:
    """Steps; returns whom the certificate stands for, or why nobody."""
    from nmsd.cli.directory import unlogged
    from nmsd.directory.certificate import CertificateMapper
    from nmsd.directory.step import Step

    try:
        user = yield from CertificateMapper(config, directory, unlogged).walk(certificate)
    except DirectoryError as error:
        yield Step("mapping", False, str(error))
        return None, str(error)
    return user, ""


def acting_steps(
    config: Config, directory: Directory, user: User, name: str
) -> Generator[Step, None, tuple[User | None, str]]:
    """As whom the user acts who asks for the authorization identity `name`."""
    from nmsd.directory.step import Step
    from nmsd.server.settings import STORE_ADMINS

    try:
        other = directory.find(name)
    except DirectoryError as error:
        yield Step("acts as", False, str(error))
        return None, str(error)
    if other is not None and other.account == user.account:
        return user, ""
    admins = {admin.lower() for admin in config[STORE_ADMINS]}
    if not {user.uid.lower(), user.account} & admins:
        words = f"the certificate is {user.uid}'s, who is no administrator ({STORE_ADMINS.name}) and may not be {name}"
        yield Step("acts as", False, words)
        return None, words
    if other is None:
        yield Step("acts as", False, f"there is no user {name}")
        return None, f"there is no user {name}"
    yield Step("acts as", True, f"{other.uid}, account {other.account}; {user.uid} is an administrator")
    return other, ""
