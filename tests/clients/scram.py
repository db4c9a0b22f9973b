"""A SCRAM-SHA-256 client (RFC 5802), as small as it can be."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode


class ScramClient:
    """One attempt: call `answer` with each challenge.  `binding` is the name and the data of a channel binding."""

    def __init__(
        self, login: str, password: str, binding: tuple[str, bytes] | None = None, authorize: str = "", flag: str = "n"
    ) -> None:
        flag = f"p={binding[0]}" if binding else flag
        self._bound = binding[1] if binding else b""
        self._header = f"{flag},{'a=' + authorize if authorize else ''},".encode()
        self._bare = f"n={login},r={secrets.token_urlsafe(12)}".encode()
        self._password = password.encode()
        self._signature = b""
        self._steps = 0
        self.is_server_proven = False

    def answer(self, challenge: bytes) -> bytes:
        """The response to the next challenge."""
        self._steps += 1
        if self._steps == 1:
            return self._header + self._bare
        if self._steps == 2:
            return self._final(challenge)
        self.is_server_proven = challenge == b"v=" + b64encode(self._signature)
        return b""

    def _final(self, challenge: bytes) -> bytes:
        fields = dict(field.split(b"=", 1) for field in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, b64decode(fields[b"s"]), int(fields[b"i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        proofless = b"c=" + b64encode(self._header + self._bound) + b",r=" + fields[b"r"]
        signed = b",".join((self._bare, challenge, proofless))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        mask = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(key, mask, strict=True))
        return proofless + b",p=" + b64encode(proof)
