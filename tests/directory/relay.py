"""A relay before a directory server, that can misbehave: a server that dies, hangs, or goes away in mid-session."""

from __future__ import annotations

import contextlib
import socket
import threading

PASS = "pass"
SILENT = "silent"  # accepts, reads, and never answers
CUT = "cut"  # ends a connection with its second request: between bind and search


class Relay:
    """Listens on a port of its own; `connections` counts those it took."""

    def __init__(self, port: int) -> None:
        self.mode = PASS
        self.connections = 0
        self._target = port
        self._open: set[socket.socket] = set()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"ldap://127.0.0.1:{self.port}"

    def die(self) -> None:
        """Ends all connections and refuses new ones."""
        _close(self._listener)
        self.drop()

    def revive(self) -> None:
        """Listens again."""
        self._listener = self._listen(self.port)

    def drop(self) -> None:
        """Ends all connections."""
        for each in tuple(self._open):
            _close(each)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                self._open.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        self._open.add(server)
        threading.Thread(target=self._back, args=(server, client), daemon=True).start()
        requests = 0
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                requests += 1
                if self.mode == SILENT:
                    continue
                if self.mode == CUT and requests > 1:
                    break
                server.sendall(data)
        self._end(client, server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._end(client, server)

    def _end(self, *sockets: socket.socket) -> None:
        for each in sockets:
            self._open.discard(each)
            _close(each)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
