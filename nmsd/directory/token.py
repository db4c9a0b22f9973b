"""Bearer tokens: JSON Web Tokens (RFC 7519) signed with a key of a local key set (RFC 7517).

Security: the header of a token is an attacker's until the signature is checked, so it decides nothing but which key is
tried.  No token is taken without an end, an issuer and an audience; none that a shared secret signed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.exceptions import PyJWTError

from nmsd.directory.sasl_settings import ALGORITHMS, AUDIENCE, CLAIM, ISSUER, KEY_SET, LEEWAY, SCOPE
from nmsd.model.errors import BadCredentials, DirectoryUnavailable

if TYPE_CHECKING:
    from nmsd.config.setting import Config
    from nmsd.directory.runtime import Log

_MOST_TOKEN: Final = 1 << 15
_MOST_KEYS: Final = 1 << 20
_FAMILIES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True)
class _Key:
    """A key of the set: what it says of itself, and the key."""

    said: dict[str, Any]
    key: Any


class TokenKeys:
    """Checks tokens.  A key set that is missing or wrong leaves the keys there were."""

    def __init__(self, config: Config, log: Log) -> None:
        self._config = config
        self._log = log
        self._path = config.path(KEY_SET)
        self._stamp: tuple[int, ...] | None = None
        self._keys: list[_Key] | None = None

    def user_name(self, token: str) -> str:
        """The user whom a token names.  Raises BadCredentials, DirectoryUnavailable (there are no keys)."""
        keys = self._current()
        if not token or len(token) > _MOST_TOKEN:
            raise BadCredentials("no token")
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError) as error:
            raise BadCredentials(f"the token cannot be read: {error}") from None
        algorithm, name = header.get("alg"), header.get("kid")
        if algorithm not in self._config[ALGORITHMS]:
            raise BadCredentials(f"the token is signed by {algorithm!r}, which is not allowed")
        fitting = [key for key in keys if _fits(key, algorithm, name)]
        if not fitting:
            raise BadCredentials(f"the token is signed with a key that is not in the key set ({name!r})")
        return self._user_name(self._claims(token, algorithm, fitting))

    def _claims(self, token: str, algorithm: str, keys: list[_Key]) -> dict[str, Any]:
        problem = ""
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key.key,
                    algorithms=[algorithm],
                    audience=self._config[AUDIENCE],
                    issuer=self._config[ISSUER],
                    leeway=self._config[LEEWAY],
                    options={"require": ["exp", "iss", "aud"]},
                )
                return claims
            except jwt.InvalidSignatureError:
                problem = problem or "its signature is wrong"
            except (PyJWTError, ValueError, TypeError) as error:
                problem = str(error) or type(error).__name__
        raise BadCredentials(f"the token is no good: {problem}")

    def _user_name(self, claims: dict[str, Any]) -> str:
        claim, scope = self._config[CLAIM], self._config[SCOPE]
        if scope and scope not in _scopes(claims):
            raise BadCredentials(f"the token has no scope {scope}")
        name = claims.get(claim)
        if not isinstance(name, str) or not name.strip():
            raise BadCredentials(f"the token names no user (it has no {claim})")
        if claim == "email" and claims.get("email_verified") is False:
            raise BadCredentials(f"the issuer has not verified the address {name}")
        return name.strip()

    # The key set

    def _current(self) -> list[_Key]:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._keys = _read(self._path)
            except (OSError, ValueError) as error:
                kept = "" if self._keys is None else "; the keys before the change stay"
                self._log("Error", "Account", f"{self._path}: no key set can be read: {error}{kept}")
        if self._keys is None:
            raise DirectoryUnavailable("there is no key set to check tokens with")
        return self._keys


def _read(path: str) -> list[_Key]:
    with open(path, "rb") as file:
        content = json.loads(file.read(_MOST_KEYS))
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JSON object with a list of keys")
    keys: list[_Key] = []
    for said in listed:
        if not isinstance(said, dict) or said.get("kty") not in _FAMILIES.values():
            continue  # of a kind that is not known here; others may be
        try:
            keys.append(_Key(said, jwt.PyJWK(said).key))
        except (PyJWTError, UnsupportedAlgorithm, LookupError, TypeError, ValueError):
            continue
    if not keys:
        raise ValueError("there is no key in it that can be used")
    return keys


def _fits(key: _Key, algorithm: str, name: object) -> bool:
    """Whether a key may have signed: it is of the right kind, meant for signatures and, where the token says, of that
    name."""
    said = key.said
    if name is not None and said.get("kid") not in (None, name):
        return False
    if said.get("use") not in (None, "sig") or said.get("kty") != _FAMILIES[algorithm[:2]]:
        return False
    return said.get("alg") in (None, algorithm)


def _scopes(claims: dict[str, Any]) -> set[str]:
    """RFC 8693 §4.2: scope, with spaces; others have a list, or call it scp."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(word for word in value if isinstance(word, str))
    return found


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
