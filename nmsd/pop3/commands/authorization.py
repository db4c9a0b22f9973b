"""Commands of the AUTHORIZATION state: USER and PASS (RFC 1939 §7), AUTH (RFC 5034), STLS (RFC 2595 §4), UTF8 (RFC 6856
§2.1).  APOP wants passwords in the clear on the server, so it is not offered, and the greeting has no timestamp."""

from __future__ import annotations

from typing import Final

from nmsd.directory.entrance import Offer
from nmsd.pop3.commands.session import may_start_tls
from nmsd.pop3.errors import Err
from nmsd.pop3.registry import Answer, Command
from nmsd.pop3.session import Session
from nmsd.pop3.state import AUTHORIZATION, Event
from nmsd.wire.protocol import Control


def _text(argument: bytes) -> str:
    try:
        return argument.decode()
    except UnicodeDecodeError:
        raise Err("User names and passwords must be UTF-8", b"AUTH", True) from None  # RFC 6856 §2.2


def logged_in(session: Session) -> bytes:
    """The good end of any login."""
    messages, size = session.maildrop.totals()
    return b"+OK Maildrop has %d messages (%d octets)\r\n" % (messages, size)


def _user(session: Session, arguments: list[bytes]) -> Answer:
    session.check_password_allowed()
    session.login_name = _text(arguments[0])
    yield b"+OK Send PASS\r\n"  # whoever it is: the answer does not tell who exists


def _pass(session: Session, arguments: list[bytes]) -> Answer:
    login, session.login_name = session.login_name, ""
    if not login:
        raise Err("Send USER first", counts=True)
    session.check_password_allowed()
    entrance = session.entrance()
    entrance.login(login, _text(arguments[0]))
    session.enter(entrance)
    yield logged_in(session)


def _auth(session: Session, arguments: list[bytes]) -> Answer:
    entrance = session.entrance()
    if not arguments:  # RFC 1734's successor has no such form; clients use it to ask for the list
        names = b"".join([name + b"\r\n" for name in entrance.offered()])
        yield b"+OK Mechanisms follow\r\n" + names + b".\r\n"
        return
    name = arguments[0].upper()
    offer = entrance.offer(name)
    if offer is Offer.NOT_PRIVATE:
        raise Err("This mechanism needs an encrypted connection; use TLS", b"AUTH")
    if offer is not Offer.YES:
        raise Err("Unknown authentication mechanism", counts=True)
    exchange = entrance.exchange(name)
    challenge = exchange.begin(arguments[1] if len(arguments) > 1 else None)
    if challenge is None:
        session.enter(entrance)
        yield logged_in(session)
        return
    session.attempt = (entrance, exchange)
    session.move(Event.CHALLENGE)
    yield b"+ " + challenge + b"\r\n"


def answer_challenge(session: Session, line: bytes) -> Answer:
    """Goes on with AUTH: `line` is the client's response, "*" to cancel (RFC 5034 §4)."""
    assert session.attempt is not None
    entrance, exchange = session.attempt
    try:
        challenge = exchange.respond(line)
        if challenge is None:
            session.enter(entrance)
    except BaseException:
        session.move(Event.FAILURE)
        raise
    yield logged_in(session) if challenge is None else b"+ " + challenge + b"\r\n"


def _stls(session: Session, arguments: list[bytes]) -> Answer:
    if session.peer.tls:
        raise Err("Command not permitted when TLS is active", counts=True)
    if session.utf8:
        raise Err("Command not permitted after UTF8", counts=True)
    if not may_start_tls(session):
        raise Err("TLS is not available")
    yield b"+OK Begin TLS negotiation\r\n"
    yield Control.START_TLS


def _utf8(session: Session, arguments: list[bytes]) -> Answer:
    session.utf8 = True
    yield b"+OK UTF8 enabled\r\n"


COMMANDS: Final[tuple[Command, ...]] = (
    Command(b"USER", AUTHORIZATION, _user, least=1, most=1, whole=True, inline=True),
    Command(b"PASS", AUTHORIZATION, _pass, least=1, most=1, whole=True),
    Command(b"AUTH", AUTHORIZATION, _auth, most=2),
    Command(b"STLS", AUTHORIZATION, _stls, inline=True),
    Command(b"UTF8", AUTHORIZATION, _utf8, inline=True),
)
