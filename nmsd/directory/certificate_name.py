"""The names in certificates, as text and as parts."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from nmsd.directory.dn import Rdns, short_name, write_dn

UNREADABLE: Final = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What looking into a certificate may raise: it is read as far as it is looked into."""


def parts_of(name: x509.Name) -> Rdns:
    """The parts of a name.  RFC 4514 begins with what a certificate has last."""
    return [
        [
            (short_name(part.oid.dotted_string), part.value if isinstance(part.value, str) else "#" + part.value.hex())
            for part in rdn
        ]
        for rdn in reversed(list(name.rdns))
    ]


def text_of(name: x509.Name) -> str:
    """A name for people, logs and certmap.conf; what controls terminals in it is escaped."""
    return write_dn(parts_of(name))
