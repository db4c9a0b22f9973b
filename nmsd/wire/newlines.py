"""Line ends of a message made CRLF, as it streams by."""

from __future__ import annotations

import re
from typing import Final

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class NewlineFixer:
    """Turns each bare LF into CRLF, whatever the pieces a message comes in.  Bare CRs stay.

    `found`: whether there was a bare LF so far.
    """

    __slots__ = ("_last", "found")

    def __init__(self) -> None:
        self._last = b""
        self.found = False

    def write(self, piece: bytes) -> bytes:
        """The piece with its line ends mended."""
        if not piece:
            return b""
        last, self._last = self._last, piece[-1:]
        crossing = piece.startswith(b"\n") and last == b"\r"  # a CRLF that came in two pieces
        if piece.count(b"\n") == piece.count(b"\r\n") + crossing:
            return piece
        self.found = True
        return b"\n" + _BARE_LF.sub(b"\r\n", piece[1:]) if crossing else _BARE_LF.sub(b"\r\n", piece)


def with_crlf(message: bytes) -> bytes:
    """A whole message with each bare LF turned into CRLF."""
    return NewlineFixer().write(message)
