"""Certificates in files that an administrator names."""

from __future__ import annotations

from nmsd.model.errors import NmsdError


def read_certificates(path: str) -> list[bytes]:
    """The certificates in a file, in DER: one in DER, or some in PEM.  Raises NmsdError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from nmsd.directory.certificate_name import UNREADABLE

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise NmsdError(f"{path}: {error.strerror}") from None
    if b"-----BEGIN" not in data:
        return [data] if data else []
    try:
        return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(data)]
    except UNREADABLE:
        raise NmsdError(f"{path}: no certificate in PEM, or a damaged one") from None


def read_certificate(path: str) -> bytes:
    """The first certificate in a file, in DER, looked at whether it is one.  Raises NmsdError."""
    from cryptography import x509

    from nmsd.directory.certificate_name import UNREADABLE

    found = read_certificates(path)
    try:
        x509.load_der_x509_certificate(found[0])
    except (IndexError, *UNREADABLE):
        raise NmsdError(f"{path}: no certificate, neither in PEM nor in DER") from None
    return found[0]
