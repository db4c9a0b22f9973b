"""All that is worked out of a message once, at delivery."""

from __future__ import annotations

from mmap import mmap

from nmsd.mime.address import MAX_ADDRESSES
from nmsd.mime.date import parse_date_header
from nmsd.mime.envelope import envelope
from nmsd.mime.parts import MAX_DEPTH, MAX_HEADER, MAX_PARTS, pack, scan
from nmsd.mime.structure import structures
from nmsd.model.message import Digest


def digest(
    data: bytes | mmap,
    max_depth: int = MAX_DEPTH,
    max_parts: int = MAX_PARTS,
    max_header: int = MAX_HEADER,
    max_addresses: int = MAX_ADDRESSES,
) -> Digest:
    """ENVELOPE, BODY and BODYSTRUCTURE ready for the wire (RFC 3501 §7.4.2, RFC 9051 §7.5.2), part offsets, the sent
    date.  The limits are those of mime.settings.  Never raises."""
    nodes = scan(data, max_depth, max_parts, max_header)
    root = nodes[0]
    body, bodystructure = structures(nodes, max_addresses)
    date = root.fields.get(b"date")
    sent = parse_date_header(date) if date is not None else None
    return Digest(
        header_size=root.part.header_size,
        envelope=envelope(root.fields, max_addresses),
        body=body,
        bodystructure=bodystructure,
        parts=pack(root.part),
        sent_date=(sent[0] + sent[1] * 60) // 86400 if sent is not None else None,
    )
