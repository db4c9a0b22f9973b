"""What is below a connection to a directory server: a socket whose operations end in time, and TLS."""

from __future__ import annotations

import math
import socket
import ssl
import time
from typing import Any

from ldap3 import Tls

from nmsd.model.errors import DirectoryUnavailable


class TimedSocket:
    """A socket whose operations end at `deadline`; what ldap3 uses of one."""

    def __init__(self, inner: socket.socket, seconds: float) -> None:
        self.inner = inner
        self.deadline = time.monotonic() + seconds
        self.timed_out = False

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.timed_out = True
            raise TimeoutError("timed out")
        self.inner.settimeout(None if left == math.inf else left)

    def recv(self, size: int) -> bytes:
        self._arm()
        try:
            return self.inner.recv(size)
        except TimeoutError:
            self.timed_out = True
            raise

    def sendall(self, data: bytes) -> None:
        self._arm()
        try:
            self.inner.sendall(data)
        except TimeoutError:
            self.timed_out = True
            raise

    def listen(self) -> None:
        """From now on there is silence most of the time: the system has to find out if the other side is gone."""
        self.inner.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self.inner.family != socket.AF_UNIX:
            for option, seconds in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
                self.inner.setsockopt(socket.IPPROTO_TCP, option, seconds)

    def shutdown(self, how: int) -> None:
        self.inner.shutdown(how)

    def close(self) -> None:
        self.inner.close()


def tls_context(verify: bool, ca_file: str, certificate: str, key: str) -> ssl.SSLContext:
    """The TLS of links; '' for files that are not set.  Raises DirectoryUnavailable, naming the file."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise DirectoryUnavailable(f"{ca_file}: no certificates of authorities can be read: {error}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        try:
            context.load_cert_chain(certificate, key or None)
        except (OSError, ssl.SSLError) as error:
            raise DirectoryUnavailable(f"{certificate}: the certificate cannot be used: {error}") from None
    return context


def ldap3_tls(context: ssl.SSLContext) -> Any:
    """ldap3's Tls, but with a context of ours: its own is made anew for each connection, reading all authorities, and
    leaves the check of the name to code that later Pythons lack."""
    tls: Any = Tls()

    def wrap_socket(connection: Any, do_handshake: bool = False) -> None:
        connection.socket = context.wrap_socket(
            connection.socket, do_handshake_on_connect=do_handshake, server_hostname=connection.server.host
        )

    tls.wrap_socket = wrap_socket
    return tls
