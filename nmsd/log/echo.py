"""The echo of the log on standard error: told as far as it is taken, never waited for.

A terminal that was stopped, or a pipe whose reader does not read, must not stop the server.  Lines that are not taken
are in the file.
"""

from __future__ import annotations

import os
import stat
from _socket import MSG_DONTWAIT
from _socket import socket as Socket  # the system's own, even in a process that is patched later
from select import POLLOUT, poll
from typing import IO, Final

_PIECE: Final = 4096  # a pipe or terminal that takes anything takes so much at once (PIPE_BUF)


class Echo:
    """What writes to a stream: by its descriptor, if it has one."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream: IO[str] | None = stream
        self._fd = -1
        self._socket: Socket | None = None
        try:
            self._fd = stream.fileno()
            mode = os.fstat(self._fd).st_mode
        except (OSError, ValueError):
            return
        self._waits = not stat.S_ISREG(mode)
        if stat.S_ISSOCK(mode):
            self._socket = Socket(fileno=os.dup(self._fd))

    def write(self, line: str) -> None:
        """Tells a line, or as much of it as is taken at once.  Never raises."""
        if self._stream is None:
            return
        try:
            if self._fd < 0:
                self._stream.write(line)
            else:
                self._tell(line.encode("utf-8", "backslashreplace"))
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            self._stream = None  # the terminal is gone; the file goes on

    def _tell(self, line: bytes) -> None:
        if self._socket is not None:
            self._socket.send(line, MSG_DONTWAIT)
            return
        for start in range(0, len(line), _PIECE):
            if self._waits and not self._takes():
                return
            os.write(self._fd, line[start : start + _PIECE])

    def _takes(self) -> bool:
        waiting = poll()
        waiting.register(self._fd, POLLOUT)
        return bool(waiting.poll(0))
