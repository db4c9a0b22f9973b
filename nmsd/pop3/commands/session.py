"""Commands of both states, and what a session says of itself: CAPA (RFC 2449 §5), QUIT (RFC 1939 §6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nmsd import PRODUCT
from nmsd.config.services import CERTIFICATE
from nmsd.model.errors import StoreError
from nmsd.pop3.errors import Err
from nmsd.pop3.registry import Answer, Command
from nmsd.pop3.session import Session
from nmsd.pop3.settings import MARK_SEEN, MIN_POLL
from nmsd.pop3.state import ANY, Event, State
from nmsd.wire.protocol import Control


def capabilities(session: Session) -> Iterator[bytes]:
    """The capabilities, as far as they hold here and now."""
    yield b"TOP"
    yield b"UIDL"
    yield b"RESP-CODES"
    yield b"AUTH-RESP-CODE"
    yield b"PIPELINING"
    entrance = session.entrance()
    if entrance.takes_passwords():
        yield b"USER"
    mechanisms = entrance.offered()
    if mechanisms:
        yield b"SASL " + b" ".join(mechanisms)
    if may_start_tls(session):
        yield b"STLS"
    yield b"UTF8 USER"
    yield b"EXPIRE NEVER"
    delay = session.shared.config[MIN_POLL]
    if delay:
        yield b"LOGIN-DELAY %d" % delay
    if session.state == State.TRANSACTION:  # strangers need not know (RFC 2449 §6.9 leaves us the choice)
        yield b"IMPLEMENTATION " + PRODUCT.encode("ascii")


def may_start_tls(session: Session) -> bool:
    """Whether STLS is to be had; not again under TLS, nor after UTF8 (RFC 2595 §4, RFC 6856 §2.1)."""
    return (
        bool(session.shared.config[CERTIFICATE])
        and session.state == State.AUTHORIZATION
        and not session.peer.tls
        and not session.peer.local
        and not session.utf8
    )


def _capa(session: Session, arguments: list[bytes]) -> Answer:
    lines = b"".join(capability + b"\r\n" for capability in capabilities(session))
    yield b"+OK Capability list follows\r\n" + lines + b".\r\n"


def _quit(session: Session, arguments: list[bytes]) -> Answer:
    session.move(Event.QUIT)
    if session.state == State.UPDATE:
        try:
            removed = session.maildrop.commit(session.shared.config[MARK_SEEN])
        except StoreError as error:
            session.shared.log("Error", "Store", "POP3 update failed", session=session.id, error=str(error))
            raise Err("Some deleted messages not removed", b"SYS/TEMP") from None
        finally:
            session.move(Event.END)
            session.release()
        yield b"+OK Goodbye (%d deleted)\r\n" % removed
    else:
        yield b"+OK Goodbye\r\n"
    yield Control.CLOSE


COMMANDS: Final[tuple[Command, ...]] = (
    Command(b"CAPA", ANY, _capa, inline=True),
    Command(b"QUIT", ANY, _quit),
)
