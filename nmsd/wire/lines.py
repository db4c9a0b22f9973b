"""The line framer that POP3 and LMTP share: bytes into lines, and raw stretches between them."""

from __future__ import annotations

from nmsd.wire.errors import BadSyntax

# Below this much of consumed input the buffer is not moved: pipelined commands would copy the rest again and again.
_COMPACT_BYTES = 1 << 16


class LineTooLong(BadSyntax):
    """A line above the limit; all of it has been thrown away."""


class LineFramer:
    """One connection's input.

    `limit` is the longest line taken, in bytes, without its end.  A line ends in LF; one CR before it belongs to the
    end (people at a terminal, and some old clients, send bare LF).  However long a line is, no more than `limit` bytes
    of it are kept.
    """

    __slots__ = ("_buffer", "_dropping", "_skip", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = b""
        self._start = 0
        self._dropping = False
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._start == len(self._buffer):
            self._buffer = data
            self._start = 0
            return
        if self._start > _COMPACT_BYTES:
            self._buffer = self._buffer[self._start :]
            self._start = 0
        self._buffer += data

    def buffered(self) -> int:
        """How many bytes wait to be taken."""
        return len(self._buffer) - self._start

    def clear(self) -> None:
        """Forgets everything unread (STARTTLS)."""
        self._skip = 0
        self._buffer = b""
        self._start = 0
        self._dropping = False

    def maybe_line(self) -> bytes | None:
        """The next line without its end, or None until it is complete.  Raises LineTooLong, once for such a line, when
        its end has come."""
        end = self._buffer.find(b"\n", self._start)
        if end < 0:
            if self._dropping or self.buffered() > self.limit + 1:  # 1: the CR
                self._buffer = b""
                self._start = 0
                self._dropping = True
            return None
        line = self._buffer[self._start : end]
        self._start = end + 1
        if line.endswith(b"\r"):
            line = line[:-1]
        if self._dropping or len(line) > self.limit:
            self._dropping = False
            raise LineTooLong("Line too long")
        return line

    def take(self, most: int) -> bytes:
        """Up to `most` bytes of what waits, as they are; b'' when nothing does."""
        end = min(self._start + most, len(self._buffer))
        if self._start == 0 and end == len(self._buffer):
            data = self._buffer
            self._buffer = b""
            return data
        data = self._buffer[self._start : end]
        self._start = end
        return data

    def put_back(self, data: bytes) -> None:
        """Undoes a `take` in part: `data` comes next again."""
        self._buffer = data + self._buffer[self._start :]
        self._start = 0

    def skip(self, count: int) -> None:
        """Throws away the next `count` bytes, those that wait and those still to come."""
        self._skip = count - len(self.take(count))
