"""The authorities that users' certificates come from: chains, purposes and revocation lists, checked.

OpenSSL builds the chain and reads the lists (through pyOpenSSL's X509Store).  The same check serves a handshake and
`nmsd explain`, so both give the same reasons.

Security: what comes in is whatever a client sends in its handshake: a certificate and others to make a chain of.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from nmsd.config.services import CLIENT_CA_FILE, CLIENT_CRL_FILES, client_crl_paths
from nmsd.config.setting import Config
from nmsd.directory.certificate_name import UNREADABLE, text_of
from nmsd.server.settings import CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED

MOST_SENT: Final = 10  # certificates of a client's chain that are looked at
_BEGIN_CRL: Final = b"-----BEGIN X509 CRL-----"
_NO_CHECK_TIME: Final = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which pyOpenSSL has no name for

# OpenSSL's X509_V_ERR_ numbers, in the words of an administrator's log.
_CRL_HAS_EXPIRED: Final = 12
_WORDS: Final = {
    2: "no trusted authority has issued it",  # unable to get issuer certificate
    3: "there is no revocation list of its issuer",
    7: "its signature is wrong",
    8: "the revocation list's signature is wrong",
    9: "it is not valid yet",
    10: "it has expired",
    11: "its issuer's revocation list is not valid yet",
    _CRL_HAS_EXPIRED: "its issuer's revocation list has expired",
    18: "it is signed by itself, and not trusted",
    19: "the authority at the top of its chain is not trusted",
    20: "no trusted authority has issued it",  # unable to get local issuer certificate
    21: "no trusted authority has issued it",  # unable to verify the first certificate
    23: "it is revoked",
    24: "its issuer is no authority",
    79: "its issuer is no authority",
}


class Unusable(Exception):
    """A file of authorities or revocation lists cannot be used; the text names it and says why."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what


@dataclass(frozen=True)
class Verdict:
    """What became of a certificate.  `refusal` says why it is not accepted, '' if it is; `chain` are the subjects from
    it upwards, as far as a chain was found; `revocation` says what the lists had to say."""

    refusal: str
    chain: tuple[str, ...] = ()
    revocation: str = ""


class Authorities:
    """What the files and settings of one moment say.  `now` gives seconds since the epoch.  Raises Unusable."""

    def __init__(self, config: Config, now: Callable[[], float]) -> None:
        self.path = config.path(CLIENT_CA_FILE)
        self._now = now
        self._certificates = _read_certificates(self.path)
        self._lists = [crl for path in client_crl_paths(config) for crl in _read_lists(path)]
        use_expired = config[CLIENT_CRL_EXPIRED] == "use"
        flags = crypto.X509StoreFlags.PARTIAL_CHAIN
        if self._lists:
            flags |= crypto.X509StoreFlags.CRL_CHECK
            if config[CLIENT_CRL_CHECK] == "chain":
                flags |= crypto.X509StoreFlags.CRL_CHECK_ALL
        self._store = self._make_store(flags)
        self._timeless = self._make_store(flags | _NO_CHECK_TIME) if use_expired and self._lists else None

    def check(self, certificate: crypto.X509, sent: Sequence[crypto.X509]) -> Verdict:
        """Whether a client may show this certificate; `sent` are the others it sent, to make a chain of."""
        try:
            try:
                chain = _build(self._store, certificate, sent)
            except crypto.X509StoreContextError as error:
                if self._timeless is None or error.errors[0] != _CRL_HAS_EXPIRED:
                    raise
                # Without regard to time, then; the certificates' own is looked at below.
                chain = _build(self._timeless, certificate, sent)
            refusal = self._out_of_time(chain) or _misused(chain)
            names = tuple(map(name_of, chain))
        except crypto.X509StoreContextError as error:
            return Verdict(_refusal(error), (_subject(certificate),))
        except UNREADABLE as error:  # cryptography reads more strictly
            return Verdict(f"it cannot be read: {error}")
        told = "not revoked" if self._lists else f"not looked up, {CLIENT_CRL_FILES.name} is empty"
        return Verdict(refusal, names, "" if refusal else told)

    def ends(self) -> list[tuple[float, str]]:
        """When something is no longer good, in seconds since the epoch, and what."""
        found = [
            (each.not_valid_after_utc.timestamp(), f"the certificate of {name_of(each)}") for each in self._certificates
        ]
        for each in self._lists:
            if each.next_update_utc is not None:
                name = text_of(each.issuer)
                found.append((each.next_update_utc.timestamp(), f"the revocation list of {name}"))
        return sorted(found)

    def _moment(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._now(), datetime.UTC)

    def _make_store(self, flags: int) -> crypto.X509Store:
        store = crypto.X509Store()
        for certificate in self._certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))
        for crl in self._lists:
            store.add_crl(crl)
        store.set_flags(flags)
        return store

    def _out_of_time(self, chain: Sequence[x509.Certificate]) -> str:
        moment = self._moment()
        for place, each in enumerate(chain):
            whose = "it" if place == 0 else f"{name_of(each)} above it"
            if moment > each.not_valid_after_utc:
                return f"{whose} has expired"
            if moment < each.not_valid_before_utc:
                return f"{whose} is not valid yet"
        return ""


def _build(store: crypto.X509Store, certificate: crypto.X509, sent: Sequence[crypto.X509]) -> list[x509.Certificate]:
    found = crypto.X509StoreContext(store, certificate, list(sent[:MOST_SENT])).get_verified_chain()
    return [each.to_cryptography() for each in found]


def name_of(certificate: x509.Certificate) -> str:
    """The subject, for people to read."""
    return text_of(certificate.subject) or "(no subject)"


def file_problems(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong with the files: setting name, and text with the mend."""
    try:
        _read_certificates(config.path(CLIENT_CA_FILE))
    except Unusable as error:
        yield CLIENT_CA_FILE.name, f"{error}; put certificates of authorities there in PEM, or change the setting"
    for path in client_crl_paths(config):
        try:
            _read_lists(path)
        except Unusable as error:
            yield CLIENT_CRL_FILES.name, f"{error}; put a revocation list there in PEM or DER, or change the setting"


def _read_certificates(path: str) -> list[x509.Certificate]:
    data = _read(path)
    try:
        found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            crypto.X509.from_cryptography(certificate)
            name_of(certificate)
    except (*UNREADABLE, crypto.Error):
        raise Unusable(path, "no certificates in PEM, or a damaged one") from None
    return found


def _read_lists(path: str) -> list[x509.CertificateRevocationList]:
    data = _read(path)
    try:
        if _BEGIN_CRL in data:
            pieces = data.split(_BEGIN_CRL)[1:]
            found = [x509.load_pem_x509_crl(_BEGIN_CRL + piece) for piece in pieces]
        else:
            found = [x509.load_der_x509_crl(data)]
        for crl in found:
            text_of(crl.issuer)
    except UNREADABLE:
        raise Unusable(path, "no revocation list, or a damaged one") from None
    return found


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Unusable(path, f"cannot be read ({error.strerror})") from None


def _refusal(error: crypto.X509StoreContextError) -> str:
    number, depth, text = error.errors[0], error.errors[1], error.errors[2]
    words = _WORDS.get(number, str(text))
    return words if not depth else f"of {_subject(error.certificate)} above it: {words}"


def _subject(certificate: crypto.X509) -> str:
    try:
        return name_of(certificate.to_cryptography())
    except UNREADABLE:
        return "a certificate that cannot be read"


def _misused(chain: Sequence[x509.Certificate]) -> str:
    """Why this chain is not for logging in; '' if it is.  RFC 5280 §4.2.1.3 and §4.2.1.12: what a certificate does not
    restrict it allows; what one above it restricts, it cannot allow."""
    for place, certificate in enumerate(chain):
        whose = "it" if place == 0 else f"{name_of(certificate)} above it"
        try:
            uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            any_use = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses
            if not any_use and ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
                return f"{whose} is not for the authentication of clients"
        except x509.ExtensionNotFound:
            pass
    try:
        usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    return "" if usage.digital_signature or usage.key_agreement else "its key is not for signing"
