"""An exchange on the wire: challenges and responses in base64, a line each (RFC 4422 §4; RFC 4959; RFC 5034 §4)."""

from __future__ import annotations

import binascii

from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Steps
from nmsd.wire.sasl.verifier import Verifier


class Exchange:
    """One attempt.  A method that raises has ended it."""

    __slots__ = ("_steps",)

    def __init__(self, mechanism: Mechanism, verifier: Verifier) -> None:
        self._steps: Steps = mechanism.run(verifier, mechanism.name.decode("ascii"))

    def begin(self, initial: bytes | None) -> bytes | None:
        """The first challenge, in base64; None when the client is in at once.  `initial` is the client's initial
        response as a line, None without one.  Raises BadSyntax and what the verifier raises."""
        challenge = next(self._steps)
        if initial is None:
            return _encode(challenge)
        return self._send(_decode(initial))

    def respond(self, line: bytes) -> bytes | None:
        """The next challenge, or None when the client is in.  Raises as `begin` does, and BadSyntax for "*"."""
        if line == b"*":
            self._steps.close()
            raise BadSyntax("Authentication cancelled")
        return self._send(_decode(line))

    def _send(self, response: bytes) -> bytes | None:
        try:
            return _encode(self._steps.send(response))
        except StopIteration:
            return None


def _decode(line: bytes) -> bytes:
    if line == b"=":  # an empty initial response (RFC 4959 §3); some clients say it later, too
        return b""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64 in SASL response") from None


def _encode(challenge: bytes) -> bytes:
    return binascii.b2a_base64(challenge, newline=False)
