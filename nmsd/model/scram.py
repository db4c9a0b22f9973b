"""What a directory keeps of a password for SCRAM (RFC 5802 §3): enough to check a proof, not enough to make one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScramKeys:
    """For one user and SHA-256: `salt` and `iterations` as the client is told them, and the two keys."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes
