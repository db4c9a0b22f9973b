"""The envelope: MAIL and RCPT (RFC 5321 §4.1.1, RFC 1870 SIZE, RFC 6152 8BITMIME, RFC 6531 SMTPUTF8)."""

from __future__ import annotations

from typing import Final

from nmsd.config.services import MAX_MESSAGE_SIZE
from nmsd.lmtp.envelope import Address, parse_argument
from nmsd.lmtp.registry import Answer, Command
from nmsd.lmtp.reply import Refusal
from nmsd.lmtp.session import Session
from nmsd.lmtp.settings import MAX_RECIPIENTS
from nmsd.lmtp.state import State

_MAX_SIZE_DIGITS: Final = 20
"""RFC 1870 §6.1."""


def _check_ascii(address: Address, utf8: bool) -> None:
    if not utf8 and not str(address).isascii():
        raise Refusal(553, "5.6.7", "Address needs SMTPUTF8")  # RFC 6531 §3.5


def _mail(session: Session, argument: bytes) -> Answer:
    sender, parameters = parse_argument(argument, b"FROM:")
    utf8 = False
    for name, value in parameters.items():
        if name == b"SIZE":
            if not value.isdigit() or len(value) > _MAX_SIZE_DIGITS:
                raise Refusal(501, "5.5.4", "SIZE wants a number", counts=True)
            if int(value) > session.shared.config[MAX_MESSAGE_SIZE]:
                raise Refusal(552, "5.3.4", "Message too large", limit=MAX_MESSAGE_SIZE.name)
        elif name == b"SMTPUTF8" and not value:
            utf8 = True
        elif name != b"BODY" or value.upper() not in (b"7BIT", b"8BITMIME"):
            raise Refusal(555, "5.5.4", "Unknown parameter " + name.decode(), counts=True)
    _check_ascii(sender, utf8)
    session.begin(sender, utf8)
    yield b"250 2.1.0 Sender OK\r\n"


def _rcpt(session: Session, argument: bytes) -> Answer:
    address, parameters = parse_argument(argument, b"TO:")
    if parameters:
        raise Refusal(555, "5.5.4", "Unknown parameter " + next(iter(parameters)).decode(), counts=True)
    if not address.local:
        raise Refusal(501, "5.1.3", "Recipient may not be empty", counts=True)
    _check_ascii(address, session.utf8)
    if len(session.recipients) >= session.shared.config[MAX_RECIPIENTS]:
        raise Refusal(452, "4.5.3", "Too many recipients", limit=MAX_RECIPIENTS.name)
    session.recipients.append(session.shared.delivery.recipient(address))
    yield b"250 2.1.5 Recipient OK\r\n"


COMMANDS: Final = (
    Command(b"MAIL", State.READY, _mail),
    Command(b"RCPT", State.ENVELOPE, _rcpt, inline=False),
)
