"""The arguments of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3): a path and parameters."""

from __future__ import annotations

import re
from typing import Final

from nmsd.wire.errors import BadSyntax

_ATOM: Final = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"
_DOT_STRING: Final = _ATOM + rb"(?:\." + _ATOM + rb")*"
_QUOTED: Final = rb'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"'
_LABEL: Final = rb"[A-Za-z0-9_\x80-\xff-]+"
_DOMAIN: Final = rb"(?:" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?|\[[^\[\]\\\x00-\x20\x7f]+\])"
# A source route is taken and ignored (RFC 5321 §4.1.1.3).  A recipient may come without a domain.
_PATH: Final = re.compile(
    rb"<(?:(?:@"
    + _DOMAIN
    + rb",)*@"
    + _DOMAIN
    + rb":)?("
    + _DOT_STRING
    + rb"|"
    + _QUOTED
    + rb")(?:@("
    + _DOMAIN
    + rb"))?>"
)
_PARAMETER: Final = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\xff]+))?\Z")
_ESCAPED: Final = re.compile(r"\\(.)")

MAX_ADDRESS_BYTES: Final = 64 + 1 + 255
"""RFC 5321 §4.5.3.1: a local part, an @ and a domain."""


class Address:
    """A mailbox of an envelope: `local` with any quoting taken off, `domain` '' if there was none; both '' for the null
    sender."""

    __slots__ = ("domain", "local")

    def __init__(self, local: str, domain: str) -> None:
        self.local = local
        self.domain = domain

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local

    def path(self) -> str:
        """As it stands between angle brackets, quoted again where need be."""
        local = self.local
        if local and re.fullmatch(_DOT_STRING, local.encode()) is None:
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{local}@{self.domain}" if self.domain else local


def parse_argument(argument: bytes, keyword: bytes) -> tuple[Address, dict[bytes, bytes]]:
    """ "FROM:<alice@example.com> SIZE=12" apart: the address, and parameters by upper-case name.  Raises BadSyntax."""
    if argument[: len(keyword)].upper() != keyword:
        raise BadSyntax(f"Syntax: {keyword.decode()}<address>")
    rest = argument[len(keyword) :].lstrip(b" ")
    if rest.startswith(b"<>"):
        address, rest = Address("", ""), rest[2:]
    else:
        found = _PATH.match(rest)
        if found is None:
            raise BadSyntax("Invalid address")
        address, rest = _address(found), rest[found.end() :]
    if rest and not rest.startswith(b" "):
        raise BadSyntax("Invalid address")
    parameters: dict[bytes, bytes] = {}
    for word in rest.split():
        parameter = _PARAMETER.match(word)
        if parameter is None or parameter.group(1).upper() in parameters:
            raise BadSyntax("Invalid parameter")
        parameters[parameter.group(1).upper()] = parameter.group(2) or b""
    return address, parameters


def parse_address(text: str) -> Address:
    """An address as a person writes it, with or without angle brackets.  Raises BadSyntax."""
    bare = text.strip()
    address, _ = parse_argument(b":" + (bare if bare.startswith("<") else f"<{bare}>").encode(), b":")
    return address


def _address(found: re.Match[bytes]) -> Address:
    if len(found.group(1)) + len(found.group(2) or b"") >= MAX_ADDRESS_BYTES:
        raise BadSyntax("Address too long")
    try:
        local = found.group(1).decode()
        domain = (found.group(2) or b"").decode()
    except UnicodeDecodeError:
        raise BadSyntax("Address is not UTF-8") from None
    if local.startswith('"'):
        local = _ESCAPED.sub(r"\1", local[1:-1])
    return Address(local, domain.removesuffix("."))
