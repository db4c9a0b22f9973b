"""All that is worked out of a message once, at delivery."""

from __future__ import annotations

from mmap import mmap

from nmsd.mime.parts import MAX_DEPTH, MAX_PARTS
from nmsd.model.message import Digest


def digest(data: bytes | mmap, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS) -> Digest:
    """ENVELOPE, BODY and BODYSTRUCTURE ready for the wire (RFC 3501 §7.4.2, RFC 9051 §7.5.2), part offsets, the sent
    date.  Never raises."""
    raise NotImplementedError
