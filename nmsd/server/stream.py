"""Waiting, in a greenlet, for a plain non-blocking socket; sending all of something; shaking hands.

The same for TCP and TLS: both kinds of socket raise what is in WANT_READ and WANT_WRITE instead of blocking.
"""

from __future__ import annotations

from _socket import socket
from typing import TYPE_CHECKING, Final

from gevent.socket import wait_read, wait_write

if TYPE_CHECKING:
    import ssl
else:
    from nmsd.server.patch import plain_ssl as ssl

Socket = socket

WANT_READ: Final = (BlockingIOError, ssl.SSLWantReadError)
WANT_WRITE: Final = (BlockingIOError, ssl.SSLWantWriteError)


class TimedOut(Exception):
    """The peer did not move for too long."""


def wait_until_writable(sock: Socket, seconds: float | None) -> None:
    """Blocks the greenlet.  Raises TimedOut."""
    wait_write(sock.fileno(), timeout=seconds, timeout_exc=TimedOut("the client takes nothing"))


def wait_until_readable(sock: Socket, seconds: float | None) -> None:
    """Blocks the greenlet.  Raises TimedOut."""
    wait_read(sock.fileno(), timeout=seconds, timeout_exc=TimedOut("the client sends nothing"))


def send_some(sock: Socket, data: bytes | memoryview) -> int:
    """Gives the kernel what it takes of `data` at once; how much, maybe 0.  Raises OSError when the peer is gone."""
    try:
        return sock.send(data)
    except WANT_WRITE:
        return 0


def send_all(sock: Socket, data: bytes | memoryview, seconds: float) -> None:
    """Sends all of `data`.  Raises TimedOut when the peer takes nothing for `seconds`, OSError when it is gone."""
    rest = memoryview(data)
    while True:
        rest = rest[send_some(sock, rest) :]
        if not rest:
            return
        wait_until_writable(sock, seconds)
