"""Lines, and bytes that are counted, out of what arrives in chunks; for who looks on, so nothing is refused here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

LINE_MAX: Final = 1 << 20
_HEAD: Final = 4096
_TAIL: Final = 64
_LITERAL: Final = re.compile(rb"\{(\d{1,18})(\+?)\}\r?\n?\Z")


class Piece(NamedTuple):
    """A line with its end, or `size` counted bytes, of which `text` is the beginning."""

    text: bytes
    size: int
    is_line: bool


class Pieces:
    """One direction of a connection.  At most `keep` counted bytes are kept; of a line that is very long, both ends."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._buffer = b""
        self._dropped = 0
        self._size = 0
        self._left = 0
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What is complete now.  Between two pieces `expect` may be called."""
        self._buffer += data
        while True:
            piece = self._maybe_counted() if self._left else self._maybe_line()
            if piece is None:
                return
            yield piece

    def expect(self, size: int) -> None:
        """The next so many bytes are counted."""
        self._size = self._left = size
        self._kept = b""

    @property
    def untouched(self) -> bool:
        """Whether counted bytes are expected and none has come."""
        return bool(self._left) and self._left == self._size and not self._buffer

    def cancel(self) -> None:
        """No counted bytes come after all."""
        self._left = 0

    def _maybe_counted(self) -> Piece | None:
        taken, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(taken)
        self._kept += taken[: max(0, self._keep - len(self._kept))]
        return None if self._left else Piece(self._kept, self._size, False)

    def _maybe_line(self) -> Piece | None:
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            if len(line) > LINE_MAX:
                self._dropped += len(line) - _HEAD - _TAIL
                self._buffer = line[:_HEAD] + line[-_TAIL:]
            return None
        self._buffer = rest
        size, self._dropped = len(line) + 1 + self._dropped, 0
        return Piece(line + end, size, True)


def announced(line: bytes) -> tuple[int, bool] | None:
    """The size of the IMAP literal that the line announces, and whether its sender waits to be asked for it."""
    found = _LITERAL.search(line)
    return None if found is None else (int(found[1]), not found[2])
