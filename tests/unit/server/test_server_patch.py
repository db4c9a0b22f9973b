"""What is cooperative in a worker, and what stays plain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from nmsd.server.patch import patch, plain_ssl
patch()
patch()
import socket, ssl, sys, threading
import gevent.socket, gevent.ssl
assert socket.socket is gevent.socket.socket
assert ssl is not plain_ssl
assert ssl.SSLContext is gevent.ssl.SSLContext
assert not issubclass(plain_ssl.SSLSocket, gevent.ssl.SSLSocket)
assert plain_ssl.SSLSocket.__mro__[1].__module__ == "socket"
assert threading.current_thread() is threading.main_thread()
assert sys.getswitchinterval() < 0.005
from nmsd.server.stream import Socket, WANT_READ
assert plain_ssl.SSLWantReadError in WANT_READ
assert issubclass(plain_ssl.SSLSocket, Socket) and not issubclass(socket.socket, Socket)
context = plain_ssl.SSLContext(plain_ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = plain_ssl.TLSVersion.TLSv1_2
"""


def test_the_patch_leaves_a_plain_ssl_for_parked_sessions() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[3], check=True)


def test_the_pure_parts_of_the_server_import_no_gevent() -> None:
    script = "import sys, nmsd.server.settings, nmsd.server.announce, nmsd.app; assert 'gevent' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=True)
