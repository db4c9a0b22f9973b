"""Multi-line responses (RFC 1939 §3): byte-stuffing and the end mark."""

from __future__ import annotations


class Stuffer:
    """Writes a message, given in pieces, as the body of a multi-line response.

    A dot is doubled at the start of every line, also of one that follows a bare LF: some clients end a line there, and
    a message must never look to them like the end of itself.
    """

    __slots__ = ("_last", "_line_start")

    def __init__(self) -> None:
        self._last = b"\r\n"
        self._line_start = True

    def write(self, piece: bytes) -> bytes:
        """The piece as it goes over the wire."""
        if not piece:
            return b""
        self._last = (self._last + piece)[-2:] if len(piece) < 2 else piece[-2:]
        starts_line, self._line_start = self._line_start, piece.endswith(b"\n")
        stuffed = piece.replace(b"\n.", b"\n..")
        return b"." + stuffed if starts_line and piece.startswith(b".") else stuffed

    def end(self) -> bytes:
        """The end mark.  The CRLF that a message's last line lacks belongs to the mark, not to the message."""
        return b".\r\n" if self._last == b"\r\n" else b"\r\n.\r\n"
