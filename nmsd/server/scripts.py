"""What may be shown of what client and server say: everything but secrets, message bodies cut short.

Security: what a client says before it is logged in is shown only where it is known to be harmless, for a password may
be sent in the wrong place; what belongs to a login, in whatever state, is never shown.  A script that begins in the
middle of something shows nothing until the server's next answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from nmsd.server.pieces import Piece, Pieces, announced

BLOT: Final = "***"
_SHOWN: Final = 2000  # of a line
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_IMAP_HARMLESS: Final = frozenset((b"CAPABILITY", b"NOOP", b"LOGOUT", b"STARTTLS", b"ID", b"ENABLE"))
_POP_HARMLESS: Final = frozenset((b"CAPA", b"STLS", b"QUIT", b"NOOP", b"UTF8", b"LANG", b"USER"))
_POP_LOGIN: Final = frozenset((b"PASS", b"APOP", b"AUTH"))
_POP_CONTENT: Final = frozenset((b"RETR", b"TOP"))
_WORDS: Final = re.compile(rb"[A-Za-z0-9.$*&=_-]{1,32}")


class Script(Protocol):
    """Shows one connection, line by line."""

    def client(self, data: bytes, known: bool) -> Iterator[str]:
        """What the client says; `known`: it is logged in."""

    def server(self, data: bytes) -> Iterator[str]:
        """What the server says."""


def open_script(service: str, keep: int, unfinished: bool) -> Script:
    """That of a service, with `keep` bytes of each message shown; `unfinished`: a command is being sent."""
    if service == "imap":
        return ImapScript(keep, unfinished)
    return PopScript(keep, unfinished) if service == "pop" else LmtpScript(keep)


def shown(data: bytes) -> str:
    """Bytes as text on one line."""
    text = data.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def _line(piece: Piece) -> str:
    text = shown(piece.text[:_SHOWN])
    return text if piece.size <= _SHOWN else f"{text}… ({piece.size} bytes)"


def _body(piece: Piece) -> str:
    return f"({piece.size} bytes) {shown(piece.text)}" if piece.text else f"({piece.size} bytes)"


class ImapScript:
    """IMAP (RFC 9051)."""

    def __init__(self, keep: int, hidden: bool) -> None:
        self._client = Pieces(keep)
        self._server = Pieces(keep)
        self._hidden = hidden  # until the server's next tagged answer
        self._secret = False  # the command that is being sent
        self._goes_on = False  # the client's next line is of the same command
        self._answer_goes_on = False

    def client(self, data: bytes, known: bool) -> Iterator[str]:
        """See Script."""
        for piece in self._client.feed(data):
            blot = self._hidden or self._secret
            if not piece.is_line:
                yield f"({piece.size} bytes) {BLOT}" if blot else _body(piece)
                continue
            if self._hidden or (self._goes_on and self._secret):
                yield BLOT
            elif self._goes_on:
                yield _line(piece)
            else:
                yield self._begin(piece, known)
            literal = announced(piece.text)
            self._goes_on = literal is not None
            if literal is not None:
                self._client.expect(literal[0])

    def _begin(self, piece: Piece, known: bool) -> str:
        tag, name, *more = [*piece.text.split(None, 3), b"", b""][:4]
        name = name.upper()
        self._secret = True
        if not known and not _WORDS.fullmatch(tag):
            return BLOT
        if name == b"LOGIN":
            return f"{shown(tag)} LOGIN {BLOT}"
        if name == b"AUTHENTICATE":
            self._hidden = True
            mechanism = shown(more[0]) if _WORDS.fullmatch(more[0]) else BLOT
            return f"{shown(tag)} AUTHENTICATE {mechanism}{' ' + BLOT if more[1] else ''}"
        self._secret = not known and name not in _IMAP_HARMLESS
        return BLOT if self._secret else _line(piece)

    def server(self, data: bytes) -> Iterator[str]:
        """See Script."""
        for piece in self._server.feed(data):
            if not piece.is_line:
                yield _body(piece)
                continue
            asks = piece.text.startswith(b"+") and not self._answer_goes_on
            yield f"+ {BLOT}" if asks and self._hidden else _line(piece)
            if not asks and not self._answer_goes_on and not piece.text.startswith(b"* "):
                self._answered()
            literal = announced(piece.text)
            self._answer_goes_on = literal is not None
            if literal is not None:
                self._server.expect(literal[0])

    def _answered(self) -> None:
        self._hidden = False
        if self._client.untouched:  # the literal was refused, and will not come
            self._client.cancel()
            self._goes_on = False


class PopScript:
    """POP3 (RFC 1939)."""

    def __init__(self, keep: int, hidden: bool) -> None:
        self._keep = keep
        self._client = Pieces(0)
        self._server = Pieces(0)
        self._hidden = hidden
        self._asked: list[bool] = []  # of each command that is not answered, whether a message answers it
        self._content: _Content | None = None

    def client(self, data: bytes, known: bool) -> Iterator[str]:
        """See Script."""
        for piece in self._client.feed(data):
            if self._hidden:
                yield BLOT
                continue
            name = piece.text.split(None, 1)[0].upper() if piece.text.split() else b""
            self._asked.append(name in _POP_CONTENT)
            if name in _POP_LOGIN:
                self._hidden = name == b"AUTH"
                yield f"{name.decode()} {BLOT}"
            else:
                yield _line(piece) if known or name in _POP_HARMLESS else BLOT

    def server(self, data: bytes) -> Iterator[str]:
        """See Script."""
        for piece in self._server.feed(data):
            if self._content is not None:
                if self._content.take(piece.text):
                    yield from (self._content.told(), ".")
                    self._content = None
            elif piece.text.startswith((b"+OK", b"-ERR")):
                yield _line(piece)
                self._hidden = False
                is_message = self._asked.pop(0) if self._asked else False
                if is_message and piece.text.startswith(b"+OK"):
                    self._content = _Content(self._keep)
            else:
                yield f"+ {BLOT}" if self._hidden and piece.text.startswith(b"+") else _line(piece)


class LmtpScript:
    """LMTP (RFC 2033)."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._client = Pieces(keep)
        self._server = Pieces(0)
        self._content: _Content | None = None

    def client(self, data: bytes, known: bool) -> Iterator[str]:
        """See Script."""
        for piece in self._client.feed(data):
            if not piece.is_line:
                yield _body(piece)
            elif self._content is not None:
                if self._content.take(piece.text):
                    yield from (self._content.told(), ".")
                    self._content = None
            else:
                yield _line(piece)
                words = piece.text.upper().split()
                if words[:1] == [b"DATA"]:
                    self._content = _Content(self._keep)
                elif words[:1] == [b"BDAT"] and len(words) > 1 and words[1].isdigit():
                    self._client.expect(int(words[1][:18]))

    def server(self, data: bytes) -> Iterator[str]:
        """See Script."""
        for piece in self._server.feed(data):
            yield _line(piece)
            if self._content is not None and not self._content.size and not piece.text.startswith(b"354"):
                self._content = None  # refused: what comes is the next command


class _Content:
    """A message that ends with a dot on a line of its own."""

    def __init__(self, keep: int) -> None:
        self.size = 0
        self._keep = keep
        self._kept = b""

    def take(self, line: bytes) -> bool:
        """One more line; whether it was the last, the dot."""
        if line.rstrip(b"\r\n") == b".":
            return True
        self.size += len(line)
        self._kept += line[: max(0, self._keep - len(self._kept))]
        return False

    def told(self) -> str:
        """The message, cut short."""
        return _body(Piece(self._kept, self.size, False))
