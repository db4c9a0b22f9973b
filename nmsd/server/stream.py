"""Waiting, in a greenlet, for a plain non-blocking socket; sending all of something; shaking hands.

The same for TCP and TLS: both kinds of socket raise what is in WANT_READ and WANT_WRITE instead of blocking.
"""

from __future__ import annotations

from _socket import IPPROTO_TCP, TCP_INFO, socket
from typing import Final

from gevent.socket import wait_read, wait_write

from nmsd.server.patch import SslWantRead, SslWantWrite

Socket = socket

WANT_READ: Final = (BlockingIOError, SslWantRead)
WANT_WRITE: Final = (BlockingIOError, SslWantWrite)


_ESTABLISHED: Final = 1


class TimedOut(Exception):
    """The peer did not move for too long."""


def wait_until_writable(sock: Socket, seconds: float | None) -> None:
    """Blocks the greenlet.  Raises TimedOut."""
    wait_write(sock.fileno(), timeout=seconds, timeout_exc=TimedOut("the client takes nothing"))


def wait_until_readable(sock: Socket, seconds: float | None) -> None:
    """Blocks the greenlet.  Raises TimedOut."""
    wait_read(sock.fileno(), timeout=seconds, timeout_exc=TimedOut("the client sends nothing"))


def is_dead(sock: Socket) -> bool:
    """Whether the kernel has had no answer from the peer for what it sent or asked, or one side has closed."""
    try:
        found = sock.getsockopt(IPPROTO_TCP, TCP_INFO, 8)
    except OSError:
        return False  # no TCP
    # struct tcp_info begins with state, ca_state, retransmits, probes.
    return len(found) >= 4 and (found[0] != _ESTABLISHED or found[2] > 0 or found[3] > 1)


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
        count = send_some(sock, rest)  # mypyc would do it twice within the slice
        rest = rest[count:]
        if not rest:
            return
        wait_until_writable(sock, seconds)
