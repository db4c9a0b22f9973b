"""EXTERNAL (RFC 4422 appendix A): TLS knows already who the client is."""

from __future__ import annotations

from typing import Final

from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Need, Steps
from nmsd.wire.sasl.verifier import Verifier


def _external(verifier: Verifier, name: str) -> Steps:
    response = yield b""
    try:
        authorize = response.decode()
    except UnicodeDecodeError:
        raise BadSyntax("The authorization identity is not UTF-8") from None
    if "\0" in authorize:
        raise BadSyntax("NUL in the authorization identity")
    verifier.certificate(authorize)


EXTERNAL: Final = Mechanism(b"EXTERNAL", Need.CERTIFICATE, _external)
