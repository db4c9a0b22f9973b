"""Address lists (RFC 5322 §3.4, and what people write instead)."""

from __future__ import annotations

from typing import TypeAlias

Address: TypeAlias = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
"""(name, source route, mailbox, host), as in an ENVELOPE (RFC 3501 §7.4.2): a group begins with (None, None, its name,
None) and ends with four Nones; a mailbox written without a host has b"" for it."""


def parse_addresses(value: bytes) -> list[Address]:
    """The addresses of an unfolded field value; [] if there are none.  Never raises."""
    raise NotImplementedError
