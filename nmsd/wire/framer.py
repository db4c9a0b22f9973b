"""IMAP framing: bytes into lines and literals, without a thought of what they mean.

The caller takes a line; where it ends in a literal's announcement (`{12}`, `{12+}`, `~{12}`, RFC 9051 §4.3, RFC 7888,
RFC 3516) the caller says what becomes of the literal (`accept` or `skip`) and goes on.  Nothing is parsed twice, and a
line that is too long is thrown away as it comes.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from enum import Enum
from typing import IO, Final

_ANNOUNCEMENT: Final = re.compile(rb"(~?)\{([0-9]{1,19})(\+?)\}\Z")

_CR: Final = 13
_DROPPED_KEPT: Final = 256
_ANNOUNCEMENT_MAX: Final = 32

SPOOL_MEMORY: Final = 1 << 20
"""A literal above this many bytes goes to a temporary file."""


class Trouble(Enum):
    """Why a line cannot be used; the rest of it has been thrown away."""

    TOO_LONG = "Line too long"


class Announced:
    """A literal that the client wants to send: `size` bytes; `synchronizing`: it waits for our leave to do so."""

    __slots__ = ("binary", "size", "synchronizing")

    def __init__(self, size: int, synchronizing: bool, binary: bool) -> None:
        self.size = size
        self.synchronizing = synchronizing
        self.binary = binary


class Literal:
    """A literal that has come whole: bytes, or a mapped temporary file when it was large."""

    __slots__ = ("binary", "data")

    def __init__(self, data: bytes | mmap.mmap, binary: bool) -> None:
        self.data = data
        self.binary = binary

    def close(self) -> None:
        """Gives the memory or the file back."""
        if not isinstance(self.data, bytes):
            self.data.close()


class Framer:
    """One connection's input.  `line_limit` is the longest line taken, in bytes, without its end."""

    __slots__ = (
        "_announced",
        "_buffer",
        "_dropping",
        "_file",
        "_left",
        "_line_limit",
        "_pieces",
        "_skipping",
        "dropped",
        "dropped_end",
    )

    def __init__(self, line_limit: int) -> None:
        self._line_limit = line_limit
        self._buffer = b""
        self._dropping = False
        self._announced: Announced | None = None
        self._left = 0
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._skipping = False
        self.dropped: bytes = b""
        """How the last line that was too long began: its tag, if it had one, is in there."""
        self.dropped_end: bytes = b""
        """How that line ended: the announcement of a literal that follows, if there is one, is in there."""

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come."""
        self._buffer = self._buffer + data if self._buffer else data

    def buffered(self) -> int:
        """How many bytes wait to be taken."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forgets everything unread (STARTTLS, RFC 9051 §6.2.1)."""
        self._buffer = b""
        self._dropping = False
        self._drop_literal()

    def take_line(self) -> bytes | Trouble | None:
        """The next line without its end, or None until it is complete.  An end is CRLF; a bare LF is taken for one, as
        people at a terminal send it."""
        buffer = self._buffer
        end = buffer.find(b"\n")
        if self._dropping:
            self.dropped_end = (self.dropped_end + (buffer if end < 0 else buffer[:end]))[-_ANNOUNCEMENT_MAX:]
            if end < 0:
                self._buffer = b""
                return None
            self._buffer = buffer[end + 1 :]
            self._dropping = False
            self.dropped_end = self.dropped_end.removesuffix(b"\r")
            return Trouble.TOO_LONG
        if end < 0:
            if len(buffer) > self._line_limit + 2:
                self.dropped = buffer[:_DROPPED_KEPT]
                self.dropped_end = buffer[-_ANNOUNCEMENT_MAX:]
                self._buffer = b""
                self._dropping = True
            return None
        if end + 1 == len(buffer):
            self._buffer = b""
        else:
            self._buffer = buffer[end + 1 :]
        line = buffer[: end - 1] if end and buffer[end - 1] == _CR else buffer[:end]
        if len(line) <= self._line_limit:
            return line
        self.dropped = line[:_DROPPED_KEPT]
        self.dropped_end = line[-_ANNOUNCEMENT_MAX:]
        return Trouble.TOO_LONG

    def accept(self, announced: Announced) -> None:
        """The bytes of this literal come next and are wanted."""
        self._announced = announced
        self._left = announced.size
        self._skipping = False

    def skip(self, announced: Announced) -> None:
        """The bytes of this literal come next and are thrown away as they come."""
        self._announced = announced
        self._left = announced.size
        self._skipping = True

    def in_literal(self) -> bool:
        """Whether a literal was accepted or skipped and has not been taken yet."""
        return self._announced is not None

    def take_literal(self) -> Literal | None:
        """The literal once all of it has come (an empty one if it was skipped), or None.  Raises OSError when there is
        no room for a temporary file."""
        announced = self._announced
        if announced is None:
            return None
        buffer = self._buffer
        if buffer and self._left:
            if len(buffer) <= self._left:
                chunk = buffer
                self._buffer = b""
            else:
                chunk = buffer[: self._left]
                self._buffer = buffer[self._left :]
            self._left -= len(chunk)
            if not self._skipping:
                self._spool(chunk, announced.size)
        if self._left:
            return None
        data: bytes | mmap.mmap
        if self._file is not None:
            self._file.flush()
            data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            data = b"".join(self._pieces)
        self._drop_literal()
        return Literal(data, announced.binary)

    def _spool(self, chunk: bytes, size: int) -> None:
        if size <= SPOOL_MEMORY:
            self._pieces.append(chunk)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _drop_literal)
        self._file.write(chunk)

    def _drop_literal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._pieces = []
        self._announced = None
        self._left = 0
        self._skipping = False

    def close(self) -> None:
        """Gives back what an unfinished literal holds."""
        self.clear()


def split_announcement(line: bytes) -> tuple[bytes, Announced | None]:
    """A line apart: what comes before a literal's announcement at its end, and the announcement, if there is one."""
    if not line.endswith(b"}"):
        return line, None
    found = _ANNOUNCEMENT.search(line)
    if found is None:
        return line, None
    return line[: found.start()], Announced(int(found.group(2)), not found.group(3), bool(found.group(1)))
