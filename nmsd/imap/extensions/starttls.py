"""STARTTLS and LOGINDISABLED (RFC 9051 §6.2.1, §6.2.3, RFC 2595 §3)."""

from __future__ import annotations

from typing import Final

from nmsd.config.services import CERTIFICATE
from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command, Done, Extension, Sync, no_arguments
from nmsd.imap.session import Session
from nmsd.imap.state import NOT_AUTHENTICATED
from nmsd.wire.errors import BadSyntax


def _may_start(session: Session) -> bool:
    has_certificate = bool(session.shared.config[CERTIFICATE])
    return has_certificate and not session.peer.tls and not session.peer.local


def _run(session: Session, arguments: None) -> Answer:
    yield from ()
    if session.peer.tls:
        raise BadSyntax("TLS is already in use")
    if not _may_start(session):
        raise No("TLS is not available here")
    return Done("Begin TLS negotiation now", start_tls=True)


def _refuses_passwords(session: Session) -> bool:
    return not session.may_send_password()


STARTTLS: Final = Extension(
    9051,
    (b"STARTTLS",),
    states=NOT_AUTHENTICATED,
    when=_may_start,
    commands=(Command(b"STARTTLS", NOT_AUTHENTICATED, no_arguments, _run, sync=Sync.NONE, inline=True),),
)
LOGINDISABLED: Final = Extension(9051, (b"LOGINDISABLED",), states=NOT_AUTHENTICATED, when=_refuses_passwords)
