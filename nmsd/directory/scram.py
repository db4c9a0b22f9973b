"""SCRAM keys (RFC 5802 §3) as directories keep them, and made of passwords.

Read are the values of RFC 5803, `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`; the same with the scheme in
braces, as userPassword has schemes, which is what this server writes; and Dovecot's
`{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey`.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

from nmsd.model.scram import ScramKeys
from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.prepare import saslprep

SCHEME: Final = "SCRAM-SHA-256"
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
_MOST_ITERATIONS: Final = 10_000_000
_VALUE: Final = re.compile(
    r"(?:\{SCRAM-SHA-256\}|SCRAM-SHA-256\$)(\d{1,8})[:,]([A-Za-z0-9+/=]+)[$,]([A-Za-z0-9+/=]+)[:,]([A-Za-z0-9+/=]+)",
    re.IGNORECASE,
)


def make_keys(password: str, iterations: int, salt: bytes = b"") -> ScramKeys:
    """The keys of a password, with a new salt unless one is given.  Slow on purpose.  Raises BadSyntax for a password
    that SASLprep forbids."""
    salt = salt or os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8", "surrogatepass"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramKeys(
        salt=salt,
        iterations=iterations,
        stored_key=hashlib.sha256(client_key).digest(),
        server_key=hmac.digest(salted, b"Server Key", "sha256"),
    )


def write_keys(keys: ScramKeys) -> str:
    """The value of userPassword that holds the keys."""
    salt, stored, server = (b64encode(raw).decode() for raw in (keys.salt, keys.stored_key, keys.server_key))
    return f"{{{SCHEME}}}{keys.iterations}:{salt}${stored}:{server}"


def read_keys(value: str) -> ScramKeys | None:
    """The keys in a value; None if it is another kind of value, or wrong."""
    found = _VALUE.fullmatch(value.strip())
    if found is None:
        return None
    try:
        salt, stored, server = (b64decode(text, validate=True) for text in found.group(2, 3, 4))
    except (ValueError, binascii.Error):
        return None
    iterations = int(found[1])
    if not 0 < iterations <= _MOST_ITERATIONS or not len(stored) == len(server) == _KEY_BYTES:
        return None
    return ScramKeys(salt, iterations, stored, server)


def first_keys(values: Iterable[str]) -> ScramKeys | None:
    """The first keys among an attribute's values."""
    for value in values:
        keys = read_keys(value)
        if keys is not None:
            return keys
    return None


def verify_keys(value: str, password: str) -> bool:
    """Whether a password is the one that the keys in a value are of."""
    keys = read_keys(value)
    if keys is None:
        return False
    try:
        made = make_keys(password, keys.iterations, keys.salt)
    except BadSyntax:
        return False
    return hmac.compare_digest(made.stored_key, keys.stored_key)


def made_up_keys(login: str, secret: bytes, iterations: int) -> ScramKeys:
    """Keys of nobody's password: the same salt for the same name every time, as an account would have it."""
    name = login.lower().encode("utf-8", "surrogateescape")
    salt = hashlib.blake2b(name, key=secret, digest_size=_SALT_BYTES, person=b"salt").digest()
    return ScramKeys(salt, iterations, os.urandom(_KEY_BYTES), os.urandom(_KEY_BYTES))
