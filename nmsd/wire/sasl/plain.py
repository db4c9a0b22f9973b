"""PLAIN (RFC 4616), and LOGIN, which no RFC describes: passwords as they are."""

from __future__ import annotations

from typing import Final

from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.mechanism import Mechanism, Need, Steps
from nmsd.wire.sasl.prepare import saslprep
from nmsd.wire.sasl.verifier import Verifier


def _plain(verifier: Verifier, name: str) -> Steps:
    response = yield b""
    pieces = response.split(b"\0")
    if len(pieces) != 3 or not pieces[1]:
        raise BadSyntax("Invalid PLAIN response")
    authorize, login, password = [_text(piece) for piece in pieces]
    verifier.password(saslprep(login), password, saslprep(authorize), name)


def _login(verifier: Verifier, name: str) -> Steps:
    login = yield b"Username:"
    password = yield b"Password:"
    if not login:
        raise BadSyntax("Empty user name")
    verifier.password(_text(login), _text(password), "", name)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User names and passwords must be UTF-8") from None


PLAIN: Final = Mechanism(b"PLAIN", Need.PASSWORDS, _plain)
LOGIN: Final = Mechanism(b"LOGIN", Need.PASSWORDS, _login)
