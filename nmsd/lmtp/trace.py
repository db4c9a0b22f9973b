"""The header fields a delivery puts before a message (RFC 5321 §4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from nmsd.lmtp.envelope import Address


def return_path(sender: Address) -> str:
    """Return-Path, with its line end."""
    return f"Return-Path: <{sender.path()}>\r\n"


def delivered_to(recipients: Sequence[Address]) -> str:
    """Delivered-To, with its line end; nothing for several recipients: they get the same bytes, and need not know of
    each other."""
    return f"Delivered-To: {recipients[0].path()}\r\n" if len(recipients) == 1 else ""


def submitted(*, user: str, host: str, product: str, message_id: str, date: str) -> str:
    """Received, with its line end, for a message that came from a program on this machine."""
    return f"Received: from {user} by {host} ({product}) with local id {message_id};\r\n\t{date}\r\n"


def received(*, helo: str, client: str, host: str, product: str, protocol: str, session_id: str, date: str) -> str:
    """Received, with its line end.  `client` is the peer's address, '' for a Unix socket."""
    source = f"{helo} ([{client}])" if client else helo
    return f"Received: from {source}\r\n\tby {host} ({product}) with {protocol} id {session_id};\r\n\t{date}\r\n"
