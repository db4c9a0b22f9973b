"""A message on its way in: out of DATA's dots (RFC 5321 §4.5.2), with CRLF line ends, into memory or a file."""

from __future__ import annotations

import mmap
import tempfile
from contextlib import ExitStack
from typing import IO, Final

from nmsd.lmtp.reply import Refusal
from nmsd.wire.newlines import NewlineFixer

SPOOL_MEMORY: Final = 1 << 20
"""A message above this many bytes goes to a temporary file."""


class DotReader:
    """Takes the dots out of DATA.  Only CRLF.CRLF ends it: neither a bare LF nor a bare CR is a line end (RFC 5321
    §4.1.1.4), so that no server before this one can be made to see another end than we do."""

    __slots__ = ("_kept", "_skip")

    def __init__(self) -> None:
        # The CRLF of the DATA command counts as the one before the first line.
        self._kept = b"\r\n"
        self._skip = 2

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The message's bytes out of `data`, and None; or, when its end has come, what followed it."""
        data = self._kept + data
        pieces: list[bytes] = []
        start = 0
        rest: bytes | None = None
        while True:
            found = data.find(b"\r\n.", start)
            if found < 0:
                end = len(data) - (2 if data.endswith(b"\r\n") else 1 if data.endswith(b"\r") else 0)
                end = max(end, start)
                break
            after = data[found + 3 : found + 5]
            if after == b"\r\n":
                pieces.append(data[start : found + 2])
                rest = data[found + 5 :]
                start = end = len(data)
                break
            if after in (b"", b"\r"):
                end = found
                break
            pieces.append(data[start : found + 2])
            start = found + 3
        pieces.append(data[start:end])
        self._kept = data[end:]
        content = b"".join(pieces)
        if self._skip:
            skipped = min(self._skip, len(content))
            self._skip -= skipped
            content = content[skipped:]
        return content, rest


class Content:
    """The message so far, `trace` (our own header fields) in front.

    `limit` is the most bytes taken, the trace not counted; `refuse_bare_lf` is lmtp.barelf's "refuse".  What is beyond
    help is thrown away as it comes, and `refusal` says why.
    """

    def __init__(self, trace: bytes, limit: int, refuse_bare_lf: bool) -> None:
        self.refusal: Refusal | None = None
        self.received = 0
        """How many bytes the client has sent of it."""
        self._limit = limit
        self._refuse_bare_lf = refuse_bare_lf
        self._newlines = NewlineFixer()
        self._size = 0
        self._last = b"\r\n"
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._held = ExitStack()
        self._keep(trace)

    def write(self, piece: bytes) -> None:
        """Takes the next bytes.  Never raises."""
        self.received += len(piece)
        if self.refusal is not None or not piece:
            return
        if self.received > self._limit:
            self._refuse(Refusal(552, "5.3.4", "Message too large"))
            return
        fixed = self._newlines.write(piece)
        if self._newlines.found and self._refuse_bare_lf:
            self._refuse(Refusal(550, "5.6.0", "Message has line feeds without carriage returns"))
            return
        self._keep(fixed)

    def _keep(self, piece: bytes) -> None:
        self._last = (self._last + piece[-2:])[-2:]
        self._size += len(piece)
        try:
            if self._file is None and self._size > SPOOL_MEMORY:
                self._file = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
                self._file.writelines(self._pieces)
                self._pieces = []
            if self._file is None:
                self._pieces.append(piece)
            else:
                self._file.write(piece)
        except OSError:
            self._refuse(_no_room())

    def _refuse(self, refusal: Refusal) -> None:
        self.close()
        self.refusal = refusal

    def finish(self) -> bytes | mmap.mmap:
        """The whole message, its last line ended; good until `close`.  Raises Refusal."""
        if self._last != b"\r\n":
            self._keep(b"\r\n")
        if self.refusal is not None:
            raise self.refusal
        if self._file is None:
            return b"".join(self._pieces)
        try:
            self._file.flush()
            return self._held.enter_context(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError:
            raise _no_room() from None

    def close(self) -> None:
        """Gives the memory and the file back."""
        self._pieces = []
        self._file = None
        try:
            self._held.close()
        except OSError:  # what was still to be written has no room either
            pass


def _no_room() -> Refusal:
    return Refusal(452, "4.3.1", "No room for the message, try again later")
