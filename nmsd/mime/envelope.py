"""ENVELOPE (RFC 3501 §7.4.2, RFC 9051 §7.5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nmsd.mime.address import Address, parse_addresses
from nmsd.mime.content import FIELDS
from nmsd.mime.quote import nstring

JOINED_FIELDS: Final = frozenset((b"from", b"reply-to", b"to", b"cc", b"bcc"))
"""Fields that make one list when they come more than once: no recipient gets lost."""

MESSAGE_FIELDS: Final = FIELDS | JOINED_FIELDS | {b"date", b"subject", b"sender", b"in-reply-to", b"message-id"}
"""All fields that ENVELOPE and BODYSTRUCTURE are made of."""


def envelope(fields: Mapping[bytes, bytes], max_addresses: int) -> bytes:
    """The envelope of a message whose header has these fields: lower-case name to unfolded value.  Of each list the
    first `max_addresses` are shown."""
    from_list = _addresses(fields.get(b"from"), max_addresses)
    sender = _addresses(fields.get(b"sender"), max_addresses)
    reply_to = _addresses(fields.get(b"reply-to"), max_addresses)
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.get(b"date")),
        nstring(fields.get(b"subject")),
        from_list,
        sender if sender != b"NIL" else from_list,
        reply_to if reply_to != b"NIL" else from_list,
        _addresses(fields.get(b"to"), max_addresses),
        _addresses(fields.get(b"cc"), max_addresses),
        _addresses(fields.get(b"bcc"), max_addresses),
        nstring(fields.get(b"in-reply-to")),
        nstring(fields.get(b"message-id")),
    )


def _addresses(value: bytes | None, limit: int) -> bytes:
    if value is None:
        return b"NIL"
    addresses = parse_addresses(value, limit)
    if not addresses:
        return b"NIL"
    return b"(%b)" % b"".join([_address(address) for address in addresses])


def _address(address: Address) -> bytes:
    name, route, mailbox, host = address
    return b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(mailbox), nstring(host))
