"""The argument reader: one command's text and literals into values, by the names of the formal syntax (RFC 9051 §9).

A method named after a syntax element demands it and raises BadSyntax; `maybe_…` looks and takes it only if it is there.
"""

from __future__ import annotations

import re
from typing import Final

from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Literal

# ATOM-CHAR: any CHAR except ( ) { SP CTL % * " \ ]; 8-bit is refused in an atom.
_ATOM: Final = re.compile(rb'[^\x00-\x20(){%*"\\\]\x7f-\xff]+')
# astring's own atom also takes "]".
_ASTRING: Final = re.compile(rb'[^\x00-\x20(){%*"\\\x7f-\xff]+')
# list-mailbox takes "]", "%" and "*"; 8-bit as well, for clients that send UTF-8 unquoted.
_LIST_MAILBOX: Final = re.compile(rb'[^\x00-\x20(){"\\\x7f]+')
_TAG: Final = re.compile(rb'[^\x00-\x20(){%*"\\\x7f-\xff+]+')
_ITEM_NAME: Final = re.compile(rb"[A-Za-z0-9.-]+")
_NUMBER: Final = re.compile(rb"[0-9]+")
_QUOTED: Final = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ESCAPE: Final = re.compile(rb'\\(["\\])')
_NUMBER_SET: Final = re.compile(rb"[0-9:*,]+|\$")

NAME_LIMIT: Final = 1 << 16
"""The longest literal taken where a short string is meant."""


class Reader:
    """`parts` are the command's line pieces; between part i and i+1 lies literals[i]."""

    __slots__ = ("_index", "_literals", "_parts", "_pos", "_text")

    def __init__(self, parts: list[bytes], literals: list[Literal], start: int = 0) -> None:
        self._parts = parts
        self._literals = literals
        self._index = 0
        self._text = parts[0]
        self._pos = start

    def _match(self, pattern: re.Pattern[bytes]) -> bytes | None:
        found = pattern.match(self._text, self._pos)
        if found is None:
            return None
        self._pos = found.end()
        return found.group()

    def _at_literal(self) -> bool:
        return self._pos == len(self._text) and self._index < len(self._literals)

    def peek(self) -> bytes:
        """The next byte of text; b'' at the end or before a literal."""
        return self._text[self._pos : self._pos + 1]

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._pos == len(self._text) and self._index == len(self._literals)

    def end(self) -> None:
        """The end of the command."""
        if not self.at_end():
            raise BadSyntax("Unexpected extra arguments" if self.peek() == b" " else "Invalid arguments")

    def maybe(self, text: bytes) -> bool:
        """Takes exactly this text, if it is next."""
        if self._text.startswith(text, self._pos):
            self._pos += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        """Exactly this text."""
        if not self.maybe(text):
            raise BadSyntax("Missing argument" if self.at_end() else f"Expected {text.decode()!r}")

    def space(self) -> None:
        """One space."""
        self.expect(b" ")

    def maybe_space(self) -> bool:
        """Takes a space, if one is next."""
        return self.maybe(b" ")

    def atom(self) -> bytes:
        """An atom, as it is."""
        found = self._match(_ATOM)
        if found is None:
            raise BadSyntax("Expected an atom")
        return found

    def keyword(self) -> bytes:
        """An atom in upper case: a name of the protocol."""
        return self.atom().upper()

    def maybe_keyword(self) -> bytes:
        """As `keyword`; b'' where no atom is next."""
        found = self._match(_ATOM)
        return b"" if found is None else found.upper()

    def item_name(self) -> bytes:
        """A FETCH item's or a section's name, in upper case: it ends before a bracket, as an atom does not."""
        found = self._match(_ITEM_NAME)
        if found is None:
            raise BadSyntax("Expected a name")
        return found.upper()

    def maybe_dot_digit(self) -> bool:
        """Takes a dot, if one is next and a digit comes after it."""
        if self.peek() == b"." and self._text[self._pos + 1 : self._pos + 2].isdigit():
            self._pos += 1
            return True
        return False

    def number(self, limit: int = 0xFFFF_FFFF) -> int:
        """A number up to `limit`."""
        found = self._match(_NUMBER)
        if found is None:
            raise BadSyntax("Expected a number")
        value = int(found) if len(found) <= 20 else limit + 1
        if value > limit:
            raise BadSyntax("Number too large")
        return value

    def nonzero(self, limit: int = 0xFFFF_FFFF) -> int:
        """A number from 1 to `limit`."""
        value = self.number(limit)
        if value == 0:
            raise BadSyntax("Number must not be zero")
        return value

    def number_set_text(self) -> bytes:
        """A sequence-set's text, or "$" (RFC 5182); wire.numberset reads it."""
        found = self._match(_NUMBER_SET)
        if found is None:
            raise BadSyntax("Expected a sequence set")
        return found

    def maybe_string(self) -> bytes | None:
        """A quoted string or a literal, if one is next."""
        if self._at_literal():
            return self.literal_bytes()
        found = _QUOTED.match(self._text, self._pos)
        if found is None:
            if self.peek() == b'"':
                raise BadSyntax("Invalid quoted string")
            return None
        self._pos = found.end()
        text = found.group(1)
        return _ESCAPE.sub(rb"\1", text) if b"\\" in text else text

    def string(self) -> bytes:
        """A quoted string or a literal."""
        found = self.maybe_string()
        if found is None:
            raise BadSyntax("Expected a string")
        return found

    def literal(self) -> Literal:
        """A literal, as it came, whatever its size."""
        if not self._at_literal():
            raise BadSyntax("Expected a literal")
        literal = self._literals[self._index]
        self._index += 1
        self._text = self._parts[self._index]
        self._pos = 0
        return literal

    def literal_bytes(self) -> bytes:
        """A literal where a short string is meant."""
        data = self.literal().data
        if len(data) > NAME_LIMIT:
            raise BadSyntax("String too long")
        if data.find(b"\0") >= 0:
            raise BadSyntax("NUL in a string")  # RFC 9051 §9: nowhere, but in a message's literal8
        return bytes(data)

    def astring(self) -> bytes:
        """An atom, quoted string or literal."""
        found = self._match(_ASTRING)
        return self.string() if found is None else found

    def nstring(self) -> bytes | None:
        """A string, or NIL as None."""
        found = self.maybe_string()
        if found is not None:
            return found
        if self.maybe_keyword() != b"NIL":
            raise BadSyntax("Expected a string or NIL")
        return None

    def list_mailbox(self) -> bytes:
        """A mailbox pattern: like astring, with the wildcards."""
        found = self._match(_LIST_MAILBOX)
        return self.string() if found is None else found

    def flag(self) -> str:
        r"""A flag: an atom, or a backslash and an atom."""
        prefix = "\\" if self.maybe(b"\\") else ""
        return prefix + self.atom().decode("ascii")

    def flag_list(self) -> list[str]:
        """Flags in parentheses, maybe none."""
        self.expect(b"(")
        flags: list[str] = []
        if self.maybe(b")"):
            return flags
        while True:
            flags.append(self.flag())
            if self.maybe(b")"):
                return flags
            self.space()

    def rest(self) -> bytes:
        """All that is left of the line (a SASL initial response)."""
        text = self._text[self._pos :]
        self._pos = len(self._text)
        return text

    def skip_value(self, depth: int = 0) -> None:
        """Passes over any value: a list, a string or an atom."""
        if depth > 20:
            raise BadSyntax("Lists nested too deep")
        if self.maybe(b"("):
            while not self.maybe(b")"):
                self.skip_value(depth + 1)
                self.maybe_space()
            return
        if self.maybe_string() is None and self._match(_LIST_MAILBOX) is None:
            raise BadSyntax("Expected a value")


def split_tag(line: bytes) -> tuple[bytes, bytes, int]:
    """A command line's tag, its command name in upper case, and where its arguments begin.

    The tag is b'' where the line has no valid one; the name is b'' where it has none.
    """
    found = _TAG.match(line)
    if found is None or line[found.end() : found.end() + 1] not in (b" ", b""):
        return b"", b"", 0
    tag = found.group()
    start = found.end() + 1
    name = _ATOM.match(line, start)
    if name is None:
        return tag, b"", start
    return tag, name.group().upper(), name.end()


def split_word(line: bytes, start: int) -> tuple[bytes, int]:
    """The second word of a command's name ("FETCH" in "UID FETCH") in upper case, and where it ends; b'' where a space
    and an atom do not follow `start`."""
    word = _ATOM.match(line, start + 1) if line[start : start + 1] == b" " else None
    if word is None:
        return b"", start
    return word.group().upper(), word.end()
