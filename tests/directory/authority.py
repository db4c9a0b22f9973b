"""A certificate authority made for the tests."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
HOUR = datetime.timedelta(hours=1)

_PARTS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "E": NameOID.EMAIL_ADDRESS,
}


@dataclass(frozen=True)
class Pair:
    """Files in PEM: a certificate, its chain behind it, and its key."""

    certificate: Path
    key: Path

    @property
    def loaded(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_pem_x509_certificates(self.certificate.read_bytes())[0]

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.loaded.public_bytes(serialization.Encoding.DER)


class Authority:
    """Signs what the tests need; `certificate` is its own, in PEM.  Without `above` it signs itself."""

    def __init__(self, folder: Path, name: str, above: Authority | None = None, is_authority: bool = True) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of(("CN", name))
        self._above = above
        self._revoked: list[x509.RevokedCertificate] = []
        self._count = 0
        signer = above or self
        own = signer._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(_pem(own.sign(signer._key, hashes.SHA256())))

    def issue(self, subject: str, *hosts: str) -> Pair:
        """A certificate for `subject`, valid for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name_of(("CN", subject)), key.public_key())
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), False)
        return self._write(builder.sign(self._key, hashes.SHA256()), key, subject)

    def user(
        self,
        *parts: tuple[str, str],
        emails: Sequence[str] = (),
        begins: datetime.timedelta = -HOUR,
        ends: datetime.timedelta = 48 * HOUR,
        uses: Sequence[ObjectIdentifier] = (CLIENT,),
        signs_itself: bool = False,
        with_chain: bool = False,
    ) -> Pair:
        """A user's certificate.  The subject's parts come in the certificate's order, as ("E", "alice@example.com");
        `emails` stand beside it; it is valid from and to so long after now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = name_of(*parts)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if signs_itself else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if emails:
            names = [x509.RFC822Name(email) for email in emails]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self._count += 1
        made = builder.sign(key if signs_itself else self._key, hashes.SHA256())
        return self._write(made, key, f"{self.certificate.stem}-user{self._count}", with_chain)

    def revoke(self, pair: Pair) -> None:
        """Puts a certificate on the list from now on."""
        self._revoked.append(
            x509.RevokedCertificateBuilder()
            .serial_number(pair.loaded.serial_number)
            .revocation_date(datetime.datetime.now(datetime.UTC) - HOUR)
            .build()
        )

    def write_list(self, path: Path, ends: datetime.timedelta = 24 * HOUR, in_der: bool = False) -> Path:
        """Writes the revocation list, good for so long after now."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - 48 * HOUR)
            .next_update(now + ends)
        )
        for revoked in self._revoked:
            builder = builder.add_revoked_certificate(revoked)
        encoding = serialization.Encoding.DER if in_der else serialization.Encoding.PEM
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(encoding))
        return path

    def sign(self, content: bytes) -> bytes:
        """A certificate in DER with this content, whatever it is."""
        algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
        signature = self._key.sign(content, ec.ECDSA(hashes.SHA256()))
        return _der(0x30, content + algorithm + _der(0x03, b"\0" + signature))

    def _write(self, made: x509.Certificate, key: ec.EllipticCurvePrivateKey, name: str, chain: bool = False) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        more = self.certificate.read_bytes() if chain else b""
        pair.certificate.write_bytes(_pem(made) + more)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )


def name_of(*parts: tuple[str, str]) -> x509.Name:
    """A name of these parts, in a certificate's order."""
    attributes: list[x509.NameAttribute[Any]] = [x509.NameAttribute(_PARTS[kind], value) for kind, value in parts]
    return x509.Name(attributes)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
