"""Accepting connections on an inherited listening socket."""

from __future__ import annotations

from _socket import SO_KEEPALIVE, SOL_SOCKET
from _socket import socket as Socket
from typing import Any, Final, Protocol

from gevent.monkey import get_original
from gevent.server import StreamServer

from nmsd.wire.protocol import Peer

PLAIN: Final = "plain"
TLS: Final = "tls"
UNIX: Final = "unix"

ALONE: Final = 100  # connections taken in one go when no other worker shares the socket
SHARED: Final = 8  # and when one does, so that a burst is spread over the workers


class Door(Protocol):
    """Who decides what becomes of a connection."""

    def shut(self) -> bool:
        """Whether accepting should stop for now."""

    def come_in(self, sock: Socket, peer: Peer, tls: bool) -> None:
        """Takes a new connection: a session for it, or a word that there is no room."""


class Listener(StreamServer):  # type: ignore[misc]
    """gevent's server on a plain socket: it hands out plain non-blocking sockets, and makes no greenlet for them.

    `kind` is plain, tls or unix as in config.launch.  The descriptor belongs to it from now on.
    """

    def __init__(self, fd: int, kind: str, door: Door, max_accept: int) -> None:
        sock = get_original("socket", "socket")(fileno=fd)
        sock.setblocking(False)
        self.kind = kind
        self.max_accept = max_accept
        self._door = door
        if kind != UNIX:
            # Accepted sockets inherit it: a peer that vanished without a word is found in the end.
            sock.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        self._accepted = (int(sock.family), int(sock.type), sock.proto)  # plain numbers: no enum for each connection
        super().__init__(sock, handle=door.come_in)

    def full(self) -> bool:
        """Asked before each accept; when true gevent stops accepting until `resume`."""
        return self._door.shut()

    def resume(self) -> None:
        """Accepts again, if it had stopped because there was no room."""
        if self.started:
            self.start_accepting()

    def do_read(self) -> tuple[Any, ...] | None:
        """Takes one connection; None if there is none left."""
        try:
            fd, address = self.socket._accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        return Socket(*self._accepted, fileno=fd), address

    def do_handle(self, sock: Socket, address: Any) -> None:
        """Passes it on, at once."""
        try:
            sock.setblocking(False)
            self._door.come_in(sock, self._peer(sock, address), self.kind == TLS)
        except BaseException:
            sock.close()
            raise

    def _peer(self, sock: Socket, address: Any) -> Peer:
        if self.kind == UNIX:
            return Peer("", 0, "", 0, local=True)
        local = sock.getsockname()
        return Peer(address[0], address[1], local[0], local[1])
