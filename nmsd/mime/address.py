"""Address lists (RFC 5322 §3.4, and what people write instead)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Address: TypeAlias = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
"""(name, source route, mailbox, host), as in an ENVELOPE (RFC 3501 §7.4.2): a group begins with (None, None, its name,
None) and ends with four Nones; a mailbox written without a host has b"" for it."""

MAX_ADDRESSES: Final = 10_000

GROUP_END: Final[Address] = (None, None, None, None)

# The three forms nearly all addresses have: "Name" <a@b>, Name <a@b>, a@b; up to the comma or the end.
_COMMON: Final = re.compile(
    rb'[ \t]*+(?:(?:"([^"\\]*+)"[ \t]*+|([^"()<>,;:\\\[\]]*+))<([^\s"()<>@,;:\\\[\]]++)@([^\s"()<>@,;:\\\[\]]++)>'
    rb'|([^\s"()<>@,;:\\\[\]]++)@([^\s"()<>@,;:\\\[\]]++))[ \t]*+(?:,|$)'
)

# One token: a quoted string (closed or not), a domain literal, an atom, white space, or any one character.
_TOKEN: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"?|(\[[^\]]*+\]?)|([^\s"()<>@,;:\[\]]++)|(\s++)|(.)', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_PARENTHESIS: Final = re.compile(rb"[()]|\\.", re.DOTALL)


def parse_addresses(value: bytes, limit: int = MAX_ADDRESSES) -> list[Address]:
    """The addresses of an unfolded field value; [] if there are none.  It stops once it has `limit` of them, a group's
    beginning counting as one.  Never raises."""
    found: list[Address] = []
    position = 0
    size = len(value)
    grouped = False
    while position < size and len(found) < limit:
        match = _COMMON.match(value, position)
        if match is not None:
            quoted, plain, mailbox, host, bare_mailbox, bare_host = match.groups()
            if mailbox is None:
                found.append((None, None, bare_mailbox, bare_host))
            else:
                name = quoted if quoted is not None else b" ".join(plain.split())
                found.append((name or None, None, mailbox, host))
            position = match.end()
            continue
        element = _Element(value, position)
        position = element.end
        if element.stop == b":":
            if grouped:
                found.append(GROUP_END)
            found.append((None, None, element.phrase(), None))
            grouped = True
            continue
        address = element.address()
        if address is not None:
            found.append(address)
        if element.stop == b";" and grouped:
            found.append(GROUP_END)
            grouped = False
    if grouped:
        found.append(GROUP_END)
    return found


class _Element:
    """One element of a list, read from `start` to the comma, semicolon or group colon that ends it.

    `before` and `after` hold the words outside angle brackets, before and after an @; `inner` and `inner_host` those
    within them.  A word is (text, whether white space stood before it).
    """

    def __init__(self, value: bytes, start: int) -> None:
        self.end = len(value)
        self.stop = b""
        self.comment = b""
        self.route: list[bytes] = []
        self.before: list[tuple[bytes, bool]] = []
        self.after: list[tuple[bytes, bool]] = []
        self.inner: list[tuple[bytes, bool]] = []
        self.inner_host: list[tuple[bytes, bool]] = []
        self.has_at = False
        self.has_angle = False
        self._read(value, start)

    def _read(self, value: bytes, start: int) -> None:
        position = start
        size = len(value)
        words = self.before
        inside = False
        space = False
        while position < size:
            match = _TOKEN.match(value, position)
            if match is None:  # cannot be: the last branch takes any character
                break
            kind = match.lastindex
            token: bytes = match.group(kind or 0)
            position = match.end()
            if kind == 1:
                words.append((unescape(token), space))
                space = False
            elif kind == 4:
                space = True
            elif kind != 5:
                words.append((token, space))
                space = False
            elif token == b"(":
                end = comment_end(value, position)
                # mypyc fails on a slice that ends before it begins, as that of a lone "(" would.
                self.comment = unescape(value[position : max(end - 1, position)].strip())
                position = end
                space = True
            elif token == b"<" and not self.has_angle:
                if self.has_at:  # an address as display name: joe@example.com <joe@example.com>
                    self.before = [(value[start : position - 1].replace(b'"', b"").strip(), False)]
                self.has_angle = inside = True
                words = self.inner
            elif token == b">":
                inside = False
                words = self.after
            elif token == b"@":
                if inside:
                    words = self.inner_host
                elif not self.has_angle:
                    self.has_at = True
                    words = self.after
                space = False
            elif inside and token in b",:" and not self.inner and self.inner_host:  # a source route, RFC 5322 §4.4
                self.route.append(b"@" + joined(self.inner_host))
                self.inner_host = []
                words = self.inner
            elif token == b"," or token == b";" or (token == b":" and not self.has_angle and not self.has_at):
                self.stop = token
                self.end = position
                return

    def phrase(self) -> bytes:
        """The words before angle brackets or a group's colon, one space between."""
        return b" ".join([word for word, _ in self.before])

    def address(self) -> Address | None:
        """The address it stands for, None for nothing at all."""
        if self.has_angle:
            name = self.phrase() or self.comment
            return (name or None, b",".join(self.route) or None, joined(self.inner), joined(self.inner_host))
        if self.has_at:
            local = max(len(self.before) - 1, 0)
            while local > 0 and adjacent(self.before, local):
                local -= 1
            host = 1
            while host < len(self.after) and adjacent(self.after, host):
                host += 1
            name = b" ".join([word for word, _ in self.before[:local] + self.after[host:]]) or self.comment
            return (name or None, None, joined(self.before[local:]), joined(self.after[:host]))
        if self.before:
            return (self.comment or None, None, self.phrase(), b"")
        return None


def adjacent(words: list[tuple[bytes, bool]], index: int) -> bool:
    """Whether a word belongs to the one before it: no space between, or only around a dot (RFC 5322 §4.4)."""
    word, space = words[index]
    return not space or word == b"." or words[index - 1][0] == b"."


def joined(words: list[tuple[bytes, bool]]) -> bytes:
    """The words without the white space between them."""
    return b"".join([word for word, _ in words])


def unescape(text: bytes) -> bytes:
    """The text without the backslashes of quoted pairs (RFC 5322 §3.2.1)."""
    return _ESCAPE.sub(rb"\1", text) if b"\\" in text else text


def comment_end(value: bytes, start: int) -> int:
    """Where the comment whose text begins at `start` ends, its parenthesis included; one past the value if it is not
    closed."""
    depth = 1
    for match in _PARENTHESIS.finditer(value, start):
        token = match.group()
        if token == b"(":
            depth += 1
        elif token == b")":
            depth -= 1
            if depth == 0:
                return match.end()
    return len(value) + 1


def strip_comments(value: bytes) -> bytes:
    """A structured value with each comment outside quoted strings made a space (RFC 5322 §3.2.2)."""
    if b"(" not in value:
        return value
    pieces: list[bytes] = []
    position = 0
    size = len(value)
    while position < size:
        match = _TOKEN.match(value, position)
        if match is None:  # cannot be: the last branch takes any character
            break
        end = match.end()
        if match.lastindex == 5 and value[position] == 40:  # "("
            pieces.append(b" ")
            end = comment_end(value, end)
        else:
            pieces.append(value[position:end])
        position = end
    return b"".join(pieces)
