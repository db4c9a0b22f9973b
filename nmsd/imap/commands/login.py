"""LOGIN (RFC 9051 §6.2.3), AUTHENTICATE (§6.2.2, with the initial response of RFC 4959), and PROXYAUTH, Netscape's
command for administrators."""

from __future__ import annotations

from typing import Final

from nmsd.directory.entrance import Entrance, Offer
from nmsd.imap.errors import No
from nmsd.imap.registry import Answer, Command, Continue, Done, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import NOT_AUTHENTICATED, State
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader
from nmsd.wire.sasl import Exchange


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
    entrance = session.entrance()
    if not entrance.takes_passwords():
        raise No("Plain-text passwords need an encrypted connection", b"PRIVACYREQUIRED")
    entrance.login(arguments[0], arguments[1])
    return _enter(session, entrance)


def _enter(session: Session, entrance: Entrance) -> Done:
    assert entrance.user is not None
    session.log_in(entrance.user)
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
    entrance = session.entrance()
    offer = entrance.offer(mechanism)
    if offer is Offer.NOT_PRIVATE:
        raise No("This mechanism needs an encrypted connection", b"PRIVACYREQUIRED")
    if offer is not Offer.YES:
        raise No("Unsupported authentication mechanism", b"CANNOT")
    exchange = entrance.exchange(mechanism)
    return (yield from _go_on(session, entrance, exchange, exchange.begin(response)))


def _go_on(session: Session, entrance: Entrance, exchange: Exchange, challenge: bytes | None) -> Answer:
    if challenge is None:
        return _enter(session, entrance)

    def respond(session: Session, line: bytes) -> Answer:
        return (yield from _go_on(session, entrance, exchange, exchange.respond(line)))

    yield b"+ " + challenge + b"\r\n"
    return Continue(respond)


def _parse_proxyauth(reader: Reader, session: Session) -> str:
    reader.space()
    name = reader.astring()
    reader.end()
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User name must be UTF-8") from None


def _run_proxyauth(session: Session, name: str) -> Answer:
    yield from ()
    session.act_as(name)
    return None


LOGIN: Final = Command(b"LOGIN", NOT_AUTHENTICATED, _parse_login, _run_login, sync=Sync.NONE)
AUTHENTICATE: Final = Command(
    b"AUTHENTICATE", NOT_AUTHENTICATED, _parse_authenticate, _run_authenticate, sync=Sync.NONE
)
PROXYAUTH: Final = Command(b"PROXYAUTH", State.AUTHENTICATED, _parse_proxyauth, _run_proxyauth, sync=Sync.NONE)
