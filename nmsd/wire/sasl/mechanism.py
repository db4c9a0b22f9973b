"""The shape of a mechanism's row."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum

from nmsd.wire.sasl.verifier import Verifier

Steps = Generator[bytes, bytes, None]
"""An exchange: yields challenges and is sent the client's responses.  Its end is success; it raises BadSyntax or what
the verifier raises."""


class Need(Enum):
    """What must be there for a mechanism to be of use."""

    PASSWORDS = "passwords"  # a connection on which passwords may be sent
    CERTIFICATE = "certificate"  # a client certificate that was verified
    ANONYMOUS = "anonymous"  # a service open to anybody
    SCRAM = "scram"  # a directory that holds SCRAM keys
    SCRAM_BINDING = "scram binding"  # that, and TLS whose channel can be bound to
    TOKENS = "tokens"  # a private connection, and keys to check tokens with


@dataclass(frozen=True)
class Mechanism:
    """One mechanism: its registered name, what it needs, and how it begins.

    `run(verifier, name)` begins an exchange.  Where the client speaks first, its first challenge is empty; an initial
    response answers the first challenge.
    """

    name: bytes
    need: Need
    run: Callable[[Verifier, str], Steps]
