"""What SASL mechanisms ask: whether what a client claims is so."""

from __future__ import annotations

from typing import Protocol

from nmsd.model.scram import ScramKeys


class Verifier(Protocol):
    """Judges the claims of one client.

    Each method lets the client in, or raises one of the model's DirectoryErrors; each may block its greenlet.
    `authorize` is whom the client wants to act as, '' for itself; `method` is the mechanism's name, for the log.
    """

    def password(self, login: str, password: str, authorize: str, method: str) -> None:
        """Someone who knows a password."""

    def certificate(self, authorize: str) -> None:
        """Whoever the client's TLS certificate stands for."""

    def anonymous(self, trace: str) -> None:
        """Nobody in particular; `trace` is what he says of himself."""

    def token(self, token: str, authorize: str, method: str) -> None:
        """Whoever a bearer token stands for."""

    def scram_keys(self, login: str) -> ScramKeys:
        """What a SCRAM proof is checked with; made-up keys that fit nothing for users nobody knows."""

    def scram(self, login: str, is_proven: bool, authorize: str, method: str) -> None:
        """Someone whose proof has been checked; a wrong one raises, after what that costs a guesser."""

    def nonce(self) -> bytes:
        """Printable ASCII without commas that was never used before."""

    def bindings(self) -> dict[bytes, bytes]:
        """The channel bindings that clients may be asked for, by name; none without TLS, or where no mechanism that
        needs them is offered."""

    def token_failure(self) -> dict[str, str]:
        """What a client whose token is no good is told besides: where and how to get another (RFC 7628 §3.2.2)."""
