"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): each side proves that it knows the password, or what was
made of it; an eavesdropper, and the directory's file, give neither."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from nmsd.model.scram import ScramKeys
from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Need, Steps
from nmsd.wire.sasl.prepare import saslprep
from nmsd.wire.sasl.verifier import Verifier

# RFC 5802 §7, client-first-message: flag, name of the binding, authzid; then user name, nonce, extensions.  GNU SASL
# says an empty authzid where it has none.
_FIRST: Final = re.compile(
    rb"(?P<header>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<authorize>[^,]*))?,)"
    rb"(?P<bare>n=(?P<login>[^,]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]+)*)"
)
# client-final-message.
_FINAL: Final = re.compile(
    rb"(?P<proofless>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]+)*)"
    rb",p=(?P<proof>[A-Za-z0-9+/=]+)"
)
_ESCAPE: Final = re.compile(r"=(2C|3D|)")


@dataclass(frozen=True)
class _First:
    """A client's first message: `header` is its GS2 header, `bare` the rest."""

    header: bytes
    flag: bytes
    binding: bytes
    authorize: str
    bare: bytes
    login: str
    nonce: bytes


def _plus(verifier: Verifier, name: str) -> Steps:
    message = yield b""
    first = _parse_first(message)
    if not first.binding:
        raise BadSyntax("Channel binding is wanted")
    bound = verifier.bindings().get(first.binding)
    if bound is None:
        raise BadSyntax("Unsupported type of channel binding")
    yield from _prove(verifier, name, first, bound)


def _bare(verifier: Verifier, name: str) -> Steps:
    message = yield b""
    first = _parse_first(message)
    if first.binding:
        raise BadSyntax("Channel binding goes with SCRAM-SHA-256-PLUS")
    if first.flag == b"y" and verifier.bindings():
        # The client could, and was made to believe that we could not (RFC 5802 §6).
        raise BadSyntax("The list of mechanisms was tampered with")
    yield from _prove(verifier, name, first, b"")


def _prove(verifier: Verifier, name: str, first: _First, bound: bytes) -> Steps:
    keys = verifier.scram_keys(first.login)
    nonce = first.nonce + verifier.nonce()
    salt = binascii.b2a_base64(keys.salt, newline=False)
    challenge = b"r=%b,s=%b,i=%d" % (nonce, salt, keys.iterations)
    message = yield challenge
    found = _FINAL.fullmatch(message)
    if found is None:
        raise BadSyntax("Invalid SCRAM message")
    if not hmac.compare_digest(found["nonce"], nonce):
        raise BadSyntax("The nonce is another")
    if not hmac.compare_digest(_base64(found["binding"]), first.header + bound):
        raise BadSyntax("The channel bindings do not match")
    signed = b",".join((first.bare, challenge, found["proofless"]))
    if not _is_proof(keys, signed, _base64(found["proof"])):
        verifier.scram(first.login, False, first.authorize, name)
        return
    signature = hmac.digest(keys.server_key, signed, "sha256")
    response = yield b"v=" + binascii.b2a_base64(signature, newline=False)
    if response:
        raise BadSyntax("Nothing more was to be said")
    verifier.scram(first.login, True, first.authorize, name)


def _is_proof(keys: ScramKeys, signed: bytes, proof: bytes) -> bool:
    signature = hmac.digest(keys.stored_key, signed, "sha256")
    if len(proof) != len(signature):
        return False
    client_key = bytes([one ^ other for one, other in zip(proof, signature, strict=True)])
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def _parse_first(message: bytes) -> _First:
    found = _FIRST.fullmatch(message)
    if found is None:
        raise BadSyntax("Invalid SCRAM message")
    return _First(
        header=found["header"],
        flag=found["flag"],
        binding=found["binding"] or b"",
        authorize=_name(found["authorize"] or b""),
        bare=found["bare"],
        login=_name(found["login"]),
        nonce=found["nonce"],
    )


def _name(raw: bytes) -> str:
    """A saslname (RFC 5802 §5.1), prepared."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User names must be UTF-8") from None
    if "\0" in text:
        raise BadSyntax("NUL in a user name")
    if any(code not in ("2C", "3D") for code in _ESCAPE.findall(text)):
        raise BadSyntax("Invalid escape in a user name")
    return saslprep(text.replace("=2C", ",").replace("=3D", "="))


def _base64(raw: bytes) -> bytes:
    try:
        return binascii.a2b_base64(raw, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64 in a SCRAM message") from None


SCRAM_SHA_256: Final = Mechanism(b"SCRAM-SHA-256", Need.SCRAM, _bare)
SCRAM_SHA_256_PLUS: Final = Mechanism(b"SCRAM-SHA-256-PLUS", Need.SCRAM_BINDING, _plus)
