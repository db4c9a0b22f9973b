"""Passwords as directories keep them: {SCHEME} and a hash.

New ones are {ARGON2}.  Others are checked, so that entries of other servers can be taken over as they are: {SSHA},
{SHA} and their SHA-2 kin, {PBKDF2-SHA256}, {SCRAM-SHA-256}, {CLEAR}, and text without a scheme.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Sequence
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, error_to_str

from nmsd.directory.scram import SCHEME as SCRAM
from nmsd.directory.scram import verify_keys
from nmsd.model.errors import DirectoryUnavailable
from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.prepare import saslprep

_DIGESTS: Final = {"SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_NO_MEMORY: Final = error_to_str(-22)  # ARGON2_MEMORY_ALLOCATION_ERROR, for which the library has no type
_MAX_ITERATIONS: Final = 10_000_000


def hash_password(password: str, memory: int, passes: int) -> str:
    """The password as it is stored; `memory` in bytes."""
    hasher = PasswordHasher(time_cost=passes, memory_cost=memory >> 10, parallelism=1, type=Type.ID)
    return "{ARGON2}" + hasher.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Whether the password is the stored one, in time that does not depend on how wrong it is.  Slow on purpose: not
    for the event loop.  A hash that cannot be read fits no password.  Raises DirectoryUnavailable if it cannot be told
    for lack of memory."""
    scheme, value = split_scheme(stored)
    given = password.encode("utf-8", "surrogatepass")
    if scheme == "ARGON2":
        return _verify_argon2(value, given)
    if scheme == SCRAM:
        return verify_keys(stored, password)
    if scheme in ("", "CLEAR", "CLEARTEXT", "PLAIN"):
        return hmac.compare_digest(value.encode("utf-8", "surrogatepass"), given)
    try:
        if scheme in ("PBKDF2-SHA256", "PBKDF2_SHA256", "PBKDF2-SHA512"):
            return _verify_pbkdf2(value, given, scheme.rpartition("SHA")[2])
        salted = scheme.startswith("SSHA")
        digest = _DIGESTS.get(scheme[1:] if salted else scheme)
        if digest is None:
            return False
        return _verify_digest(digest, b64decode(value, validate=True), given, salted)
    except (ValueError, binascii.Error):
        return False


def fits(stored: Sequence[str], password: str) -> bool:
    """Whether one of an entry's stored passwords is this one, as it was typed or as SASLprep (RFC 4013) makes it.

    SCRAM keys are another form of a password that is also there, and count only where they are all there is.
    """
    hashes = [value for value in stored if split_scheme(value)[0] != SCRAM] or stored
    try:
        forms = {password, saslprep(password)}
    except BadSyntax:
        forms = {password}
    return any(verify_password(value, form) for value in hashes for form in forms)


def split_scheme(stored: str) -> tuple[str, str]:
    """{SCHEME}value apart, the scheme in upper case; '' where there is none."""
    if stored.startswith("{"):
        scheme, brace, value = stored[1:].partition("}")
        if brace:
            return scheme.upper(), value
    return "", stored


def is_known_scheme(stored: str) -> bool:
    """Whether `verify_password` knows how the password was hashed."""
    scheme, _ = split_scheme(stored)
    return (
        scheme in ("", "ARGON2", "CLEAR", "CLEARTEXT", "PLAIN", SCRAM)
        or scheme.startswith("PBKDF2")
        or scheme.removeprefix("S") in _DIGESTS
        or scheme in _DIGESTS
    )


def _verify_argon2(value: str, password: bytes) -> bool:
    try:
        return PasswordHasher().verify(value, password)
    except (Argon2Error, InvalidHashError) as error:
        if str(error) == _NO_MEMORY:
            raise DirectoryUnavailable("there is not enough memory to check a password") from None
        return False


def _verify_digest(digest: str, raw: bytes, password: bytes, salted: bool) -> bool:
    size = hashlib.new(digest).digest_size
    if len(raw) < size or (len(raw) > size) != salted:
        return False
    return hmac.compare_digest(raw[:size], hashlib.new(digest, password + raw[size:]).digest())


def _verify_pbkdf2(value: str, password: bytes, bits: str) -> bool:
    # 389 Directory Server and passlib: iterations$salt$hash, in base64 with "." for "+" and without padding.
    iterations, salt, key = value.split("$")
    if not 0 < int(iterations) <= _MAX_ITERATIONS:
        return False
    wanted = _loose_base64(key)
    return hmac.compare_digest(
        wanted, hashlib.pbkdf2_hmac("sha" + bits, password, _loose_base64(salt), int(iterations), len(wanted) or 1)
    )


def _loose_base64(text: str) -> bytes:
    text = text.replace(".", "+").rstrip("=")
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
