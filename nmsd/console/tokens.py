"""Access tokens: what programs show instead of a password to the REST interface and the metrics.

The file INSTANCE/etc/tokens holds one JSON object a line, mode 0600.  A token is 256 random bits, so its plain hash is
kept: it tells nothing, and there is nothing to guess.  When a token was last used is in INSTANCE/run/tokens.used, to
the minute.

Security: the text of a token is shown once, when it is made; whoever reads the file cannot use what is in it.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from nmsd.model.errors import NmsdError

SCOPES: Final = {
    "read": "look at everything but secrets",
    "sessions": "see and disconnect sessions",
    "settings": "see and change settings",
    "users": "see and change the users of the embedded directory",
    "services": "turn services on and off, reload, test and flush the directory",
    "metrics": "read /metrics from another machine",
}
"""What a token may be good for."""

_PREFIX: Final = "nmsd_"
_USED_STEP_S: Final = 60.0
_MOST_NAME: Final = 64

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Token:
    """One token without its secret.  `created` and `expires` are seconds since the epoch, `expires` 0 for never."""

    id: str
    name: str
    scopes: frozenset[str]
    created: float
    expires: float
    digest: str

    def is_good(self, now: float) -> bool:
        """Whether it has not expired."""
        return not self.expires or now < self.expires


class Tokens:
    """The tokens of an instance."""

    def __init__(self, instance: str) -> None:
        self._path = os.path.join(instance, "etc", "tokens")
        self._used_path = os.path.join(instance, "run", "tokens.used")
        self._stamp: _Stamp | None = None
        self._tokens: tuple[Token, ...] = ()
        self._used: dict[str, float] = {}

    def all(self) -> tuple[Token, ...]:
        """All of them, the oldest first.  Raises NmsdError."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._tokens = tuple(self._read())
            self._stamp = stamp
        return self._tokens

    def add(
        self, name: str, scopes: frozenset[str], now: float, *, days: int = 0, most: int = 100
    ) -> tuple[Token, str]:
        """A new token, good for so many days (0: until it is revoked), and its text.  Raises NmsdError."""
        if not name or len(name) > _MOST_NAME or not name.isprintable():
            raise NmsdError(f"a token needs a name of at most {_MOST_NAME} printable characters")
        unknown = scopes - set(SCOPES)
        if unknown or not scopes:
            wrong = f"{', '.join(sorted(unknown))}: no scope" if unknown else "a token needs a scope"
            raise NmsdError(f"{wrong}; there are {', '.join(SCOPES)}")
        with self._alone():
            tokens = list(self._read())
            if any(token.name == name for token in tokens):
                raise NmsdError(f"there is a token {name} already; `nmsd token revoke {name}` ends it")
            if len(tokens) >= most:
                raise NmsdError(f"there are {most} tokens already; revoke some, or raise service.console.maxtokens")
            secret = secrets.token_urlsafe(32)
            made = Token(secrets.token_hex(4), name, scopes, now, now + days * 86_400 if days else 0, _digest(secret))
            self._write([*tokens, made])
        return made, f"{_PREFIX}{made.id}_{secret}"

    def revoke(self, name: str) -> Token:
        """Ends the token of this name or id.  Raises NmsdError."""
        with self._alone():
            tokens = list(self._read())
            found = next((token for token in tokens if name in (token.name, token.id)), None)
            if found is None:
                raise NmsdError(f"there is no token {name}; `nmsd token list` shows them")
            self._write([token for token in tokens if token is not found])
        return found

    def find(self, text: str, now: float) -> Token | None:
        """The token that this is the text of, if it is good.  Raises NmsdError."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        digest = _digest(secret)
        for token in self.all():
            if token.id == token_id and hmac.compare_digest(token.digest, digest):
                return token if prefix + "_" == _PREFIX and token.is_good(now) else None
        return None

    # When they were used

    def use(self, token: Token, now: float) -> None:
        """Notes that the token was used."""
        if now - self._used.get(token.id, 0.0) < _USED_STEP_S:
            return
        known = {each.id for each in self.all()}
        used = {token_id: at for token_id, at in self.used().items() if token_id in known}
        used[token.id] = now
        self._used = used
        _replace(self._used_path, json.dumps(used).encode())

    def used(self) -> dict[str, float]:
        """When each token was used last, by id, in seconds since the epoch; those that never were are not there."""
        try:
            with open(self._used_path, "rb") as file:
                return {str(token_id): float(at) for token_id, at in json.load(file).items()}
        except (FileNotFoundError, ValueError):
            return {}

    # The file

    def _read(self) -> Iterator[Token]:
        try:
            with open(self._path, "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        for number, line in enumerate(lines, 1):
            try:
                yield _token(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise NmsdError(f"{self._path}:{number}: no token; remove the line, and make another") from None

    def _write(self, tokens: list[Token]) -> None:
        _replace(self._path, b"".join(_line(token) for token in tokens), durable=True)
        self._stamp = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with open(os.open(self._path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _line(token: Token) -> bytes:
    facts = {"id": token.id, "name": token.name, "scopes": sorted(token.scopes), "created": token.created}
    return json.dumps({**facts, "expires": token.expires, "sha256": token.digest}).encode() + b"\n"


def _token(facts: dict[str, Any]) -> Token:
    return Token(
        str(facts["id"]),
        str(facts["name"]),
        frozenset(map(str, facts["scopes"])),
        float(facts["created"]),
        float(facts["expires"]),
        str(facts["sha256"]),
    )


def _replace(path: str, data: bytes, durable: bool = False) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
