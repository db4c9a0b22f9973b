"""Binds and keeps the listening sockets; workers inherit them and share the accept queue.

The supervisor keeps every socket open as long as its service runs, so that a client who comes while a worker is being
replaced waits in the queue instead of being refused.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Final

from nmsd.config.endpoints import Endpoint
from nmsd.config.load import Origin
from nmsd.config.problem import Problem
from nmsd.config.setting import Config
from nmsd.supervisor.table import Row, endpoint_problem
from nmsd.supervisor.unixpath import reachable

# Clients that arrive in one burst, such as all of them after a restart, wait here; Linux cuts it to net.core.somaxconn.
BACKLOG: Final = 4096
_RETRY_S: Final = 0.1


class Unlistenable(Exception):
    """An endpoint cannot be had; the text is what is wrong and, after "; ", the mend."""


class Listeners:
    """The open listening sockets, by endpoint."""

    def __init__(self) -> None:
        self._sockets: dict[Endpoint, socket.socket] = {}
        self.skipped: set[Endpoint] = set()
        """Endpoints of an address family that this system does not have."""

    def __getitem__(self, endpoint: Endpoint) -> socket.socket:
        return self._sockets[endpoint]

    def of(self, row: Row) -> list[tuple[Endpoint, socket.socket]]:
        """The sockets of a service."""
        return [(endpoint, self._sockets[endpoint]) for endpoint in row.endpoints if endpoint in self._sockets]

    def bind(
        self, config: Config, origins: Mapping[str, Origin], wanted: Iterable[Row], patience: float = 0.0
    ) -> list[Problem]:
        """Opens what is not open yet, all of it or nothing; returns what could not be had.

        `patience` is for how many seconds an address in use is tried again: workers of a supervisor that was killed
        take a moment to notice.
        """
        opened: list[Endpoint] = []
        problems: list[Problem] = []
        deadline = time.monotonic() + patience
        for row in wanted:
            for endpoint in row.endpoints:
                if endpoint in self._sockets or endpoint in self.skipped:
                    continue
                try:
                    sock = _open_patiently(endpoint, deadline)
                except Unlistenable as error:
                    problems.append(endpoint_problem(config, origins, row.name, endpoint, str(error)))
                    continue
                if sock is None:
                    self.skipped.add(endpoint)
                else:
                    self._sockets[endpoint] = sock
                    opened.append(endpoint)
        if problems:
            for endpoint in opened:
                self._close(endpoint)
        return problems

    def keep_only(self, endpoints: Iterable[Endpoint]) -> None:
        """Closes all others."""
        for endpoint in set(self._sockets) - set(endpoints):
            self._close(endpoint)

    def _close(self, endpoint: Endpoint) -> None:
        sock = self._sockets.pop(endpoint)
        if endpoint.kind == "unix":
            _remove_stale(endpoint.address)
        sock.close()


def _open_patiently(endpoint: Endpoint, deadline: float) -> socket.socket | None:
    while True:
        try:
            return open_endpoint(endpoint)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise Unlistenable(_explain(endpoint, error)) from error
        time.sleep(_RETRY_S)


def open_endpoint(endpoint: Endpoint) -> socket.socket | None:
    """A listening socket, not blocking; None if the address is "any" of a family this system lacks.  Raises OSError."""
    if endpoint.kind == "unix":
        return _open_unix(endpoint)
    try:
        found = socket.getaddrinfo(
            endpoint.address, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, error.strerror) from error
    family, kind, protocol, _, address = found[0]
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT and endpoint.address == "::":
            return None
        raise
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; without it a TLS login meets 40 ms stalls of delayed acknowledgements.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and endpoint.address == "::":
            return None
        raise
    return sock


def _open_unix(endpoint: Endpoint) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(endpoint.address) as path:
            if _answers(path):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            _remove_stale(endpoint.address)
            sock.bind(path)
            os.chmod(path, endpoint.mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _remove_stale(path: str) -> None:
    """Removes the socket that an earlier run left; anything that is no socket stays and fails the bind."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass


def _explain(endpoint: Endpoint, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is in use by another program; stop that one, or choose another"
    if error.errno == errno.EACCES and endpoint.kind != "unix" and endpoint.port < 1024:
        return "may not be bound: ports below 1024 need root or CAP_NET_BIND_SERVICE; start as root or take one above"
    if error.errno == errno.EADDRNOTAVAIL:
        return "is no address of this machine; correct service.listenaddr"
    return f"cannot be bound ({error.strerror or error}); choose another"
