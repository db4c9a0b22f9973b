"""LOGIN (RFC 9051 §6.2.3) and AUTHENTICATE (§6.2.2, with the initial response of RFC 4959)."""

from __future__ import annotations

from typing import Final

from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command, Continue, Done, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import NOT_AUTHENTICATED
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader
from nmsd.wire.sasl import decode_response, parse_plain


def _parse_login(reader: Reader, session: Session) -> tuple[str, str]:
    reader.space()
    login = reader.astring()
    reader.space()
    password = reader.astring()
    reader.end()
    try:
        return login.decode(), password.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User name and password must be UTF-8") from None


def _run_login(session: Session, arguments: tuple[str, str]) -> Answer:
    yield from ()
    return _enter(session, arguments[0], arguments[1], "")


def _enter(session: Session, login: str, password: str, authorize: str) -> Done:
    if not session.may_send_password():
        raise No("Plain-text passwords need an encrypted connection", b"PRIVACYREQUIRED")
    service = "imaps" if session.peer.tls else "imap"  # access rules tell them apart
    session.log_in(session.shared.gate.login(service, login, password, session.peer.address, authorize))
    return logged_in(session)


def logged_in(session: Session) -> Done:
    """The good end of any login, with the capabilities of the new state."""
    from nmsd.imap.tables import TABLES  # the tables are made of the commands

    return Done("Logged in", b"CAPABILITY " + TABLES.capabilities(session))


def _parse_authenticate(reader: Reader, session: Session) -> tuple[bytes, bytes | None]:
    reader.space()
    mechanism = reader.keyword()
    response = None
    if reader.maybe_space():
        response = reader.rest()
    reader.end()
    return mechanism, response


def _run_authenticate(session: Session, arguments: tuple[bytes, bytes | None]) -> Answer:
    mechanism, response = arguments
    if mechanism != b"PLAIN":
        raise No("Unsupported authentication mechanism", b"CANNOT")
    if not session.may_send_password():
        raise No("Plain-text passwords need an encrypted connection", b"PRIVACYREQUIRED")
    if response is not None:
        return _plain(session, response)
    yield b"+ \r\n"
    return Continue(_respond)


def _respond(session: Session, line: bytes) -> Answer:
    yield from ()
    if line == b"*":
        raise BadSyntax("Authentication cancelled")
    return _plain(session, line)


def _plain(session: Session, line: bytes) -> Done:
    plain = parse_plain(decode_response(line))
    return _enter(session, plain.login, plain.password, plain.authorize)


LOGIN: Final = Command(b"LOGIN", NOT_AUTHENTICATED, _parse_login, _run_login, sync=Sync.NONE)
AUTHENTICATE: Final = Command(
    b"AUTHENTICATE", NOT_AUTHENTICATED, _parse_authenticate, _run_authenticate, sync=Sync.NONE
)
