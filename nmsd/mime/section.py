"""IMAP section numbers to places in a message (RFC 3501 §6.4.5)."""

from __future__ import annotations

from nmsd.mime.parts import Part


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part with this number, the root for (), None if there is none."""
    raise NotImplementedError


def locate(root: Part, path: tuple[int, ...], what: str) -> tuple[int, int] | None:
    """(offset, length) of a section; `what` is '', 'HEADER', 'TEXT' or 'MIME'.  None if the message has no such section
    (no such part; HEADER or TEXT of a part that is no message; MIME without a part number)."""
    raise NotImplementedError
