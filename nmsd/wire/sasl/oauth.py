"""OAUTHBEARER (RFC 7628), and Google's XOAUTH2 before it: bearer tokens."""

from __future__ import annotations

import json
import re
from typing import Final

from nmsd.model.errors import BadCredentials, DirectoryError, LoginRefused
from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Need, Steps
from nmsd.wire.sasl.verifier import Verifier

# RFC 7628 §3.1, with the GS2 header of RFC 5801 §4.
_PAIRS: Final = rb"(?P<pairs>(?:[A-Za-z]+=[^\x00\x01]*\x01)*)\x01"
_BEARER: Final = re.compile(rb"[ny],(?:a=(?P<authorize>[^,\x00\x01]*))?,\x01" + _PAIRS)
_XOAUTH2: Final = re.compile(rb"user=(?P<authorize>[^\x00\x01]*)\x01" + _PAIRS)
_TOKEN: Final = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750 §2.1


def _oauthbearer(verifier: Verifier, name: str) -> Steps:
    response = yield b""
    found = _BEARER.fullmatch(response)
    if found is None:
        raise BadSyntax("Invalid OAUTHBEARER response")
    authorize = _text(found["authorize"] or b"").replace("=2C", ",").replace("=3D", "=")
    yield from _present(verifier, name, found["pairs"], authorize, {"status": "invalid_token"})


def _xoauth2(verifier: Verifier, name: str) -> Steps:
    response = yield b""
    found = _XOAUTH2.fullmatch(response)
    if found is None:
        raise BadSyntax("Invalid XOAUTH2 response")
    failure = {"status": "401", "schemes": "bearer"}
    yield from _present(verifier, name, found["pairs"], _text(found["authorize"]), failure)


def _present(verifier: Verifier, name: str, pairs: bytes, authorize: str, failure: dict[str, str]) -> Steps:
    """Has the token judged.  A client whose token is no good is told so in JSON; then, whatever it says to that, it has
    failed (RFC 7628 §3.2.3)."""
    token = _token(pairs)
    refusal: DirectoryError | None = None
    try:
        verifier.token(token, authorize, name)
    except BadCredentials as wrong:
        refusal = wrong
    except LoginRefused as refused:
        refusal = refused
    if refusal is not None:
        yield json.dumps({**failure, **verifier.token_failure()}, separators=(",", ":")).encode("ascii")
        raise refusal


def _token(pairs: bytes) -> str:
    for pair in pairs.split(b"\x01"):
        key, _, value = pair.partition(b"=")
        if key == b"auth":
            found = _TOKEN.fullmatch(value)
            return found[1].decode("ascii") if found is not None else ""
    return ""


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User names must be UTF-8") from None


OAUTHBEARER: Final = Mechanism(b"OAUTHBEARER", Need.TOKENS, _oauthbearer)
XOAUTH2: Final = Mechanism(b"XOAUTH2", Need.TOKENS, _xoauth2)
