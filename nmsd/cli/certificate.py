"""A certificate that signs itself, for an instance that has no other yet."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

# Long enough not to expire before a real one takes its place; some clients refuse what lasts longer (825 days).
_DAYS: Final = 825
_COMMON_NAME_MAX: Final = 64


def self_signed(host: str, domain: str, bind: str | None) -> tuple[bytes, bytes]:
    """(certificate, key) in PEM, for the host's name, the usual names in the mail domain, localhost and the address
    that is bound."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys([host, "localhost", domain, *(f"{label}.{domain}" for label in ("mail", "imap", "pop"))])
    addresses = dict.fromkeys(["127.0.0.1", "::1", *([bind] if bind and _is_one_address(bind) else [])])
    alternatives = [
        *(x509.DNSName(name) for name in names if name.isascii()),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (host or domain)[:_COMMON_NAME_MAX])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        crypto.dump_certificate(crypto.FILETYPE_PEM, crypto.X509.from_cryptography(certificate)),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _is_one_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
