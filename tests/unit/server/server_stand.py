"""A pump with an echo service, and clients for it, all in one gevent hub."""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nmsd.server.announce import SocketDirectory
from nmsd.server.board import Board
from nmsd.server.bus import Bus
from nmsd.server.commands import CommandPool
from nmsd.server.pool import SessionPool
from nmsd.server.pump import Pump
from nmsd.server.session import Session
from nmsd.server.timer import Timer
from nmsd.server.tls import Certificates
from nmsd.server.turns import Turns
from nmsd.wire.protocol import Peer
from tests.unit.server.echo_service import EchoService


class EventList:
    """A log that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, dict[str, Any]]] = []

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        self.events.append((level, category, text, fields))

    def texts(self, level: str) -> list[str]:
        return [event[2] for event in self.events if event[0] == level]

    def reasons(self) -> list[str]:
        return [event[3]["reason"] for event in self.events if event[2] == "session closed"]


class Client:
    """A client of the pump; `sock` is gevent's."""

    def __init__(self, sock: Any, session: Session) -> None:
        self.sock = sock
        self.session = session
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def line(self) -> bytes:
        """The next line, without its end; b'' at the end of the connection."""
        while b"\n" not in self.buffer:
            data = self.sock.recv(1 << 20)
            if not data:
                return b""
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def lines(self, count: int) -> list[bytes]:
        return [self.line() for _ in range(count)]

    def rest(self) -> bytes:
        """All that still comes until the end."""
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += data


class Stand:
    """Everything a session needs, with a clock that stands still until moved."""

    def __init__(self, instance: Path, threads: int = 100, certificates: Certificates | None = None) -> None:
        self.time = 1000.0
        self.log = EventList()
        self.turns = Turns()
        self.board = Board(str(instance / "board"))
        self.board.claim("echo", 0)
        self.bus = Bus(self.board, SocketDirectory(str(instance / "bus")), os.getpid(), self.turns)
        self.service = EchoService(bus=self.bus)
        self.sessions = SessionPool(100_000)
        self.commands = CommandPool(threads, self.log)
        self.pump = Pump(
            self.service,
            sessions=self.sessions,
            commands=self.commands,
            turns=self.turns,
            bus=self.bus,
            certificates=certificates,
            log=self.log,
            clock=lambda: self.time,
            read_timeout=20,
            write_timeout=20,
        )
        self.timer = Timer(self.pump)
        self.clients: list[Client] = []

    def connect(self, tls: bool = False) -> Client:
        """A client whose greeting has not been read."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        before = set(self.sessions.greenlets)
        self.pump.open(ours, Peer("192.0.2.1", 1000 + len(self.clients), "192.0.2.2", 143), tls)
        (session,) = set(self.sessions.greenlets) - before
        client = Client(gevent.socket.socket(fileno=theirs.detach()), session)
        self.clients.append(client)
        return client

    def greeted(self) -> Client:
        """A client that has been greeted."""
        client = self.connect()
        assert client.line() == b"hello"
        return client

    def settle(self, until: Callable[[], bool]) -> None:
        """Lets the hub run until something holds."""
        with gevent.Timeout(20):
            while not until():
                gevent.sleep(0.001)

    def pass_time(self, seconds: float) -> None:
        """Moves the clock, and has the timer visit every session."""
        self.time += seconds
        for _ in range(6):
            self.timer.tick()
            gevent.sleep(0)

    def close(self) -> None:
        for session in list(self.sessions.greenlets):
            session.kill("test over")
        for client in self.clients:
            client.sock.close()
        self.service.block = lambda: None
        self.settle(lambda: not self.sessions.greenlets)
        self.bus.close()
        self.board.close()


def write_certificate(directory: Path, name: str = "localhost", days: int = 365, key_only: bool = False) -> None:
    """etc/tls/cert.pem and key.pem of an instance, self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    start = now - datetime.timedelta(days=400)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + datetime.timedelta(days=days, minutes=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    tls = directory / "etc" / "tls"
    tls.mkdir(parents=True, exist_ok=True)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tls / "key.pem").write_bytes(encoded)
    if not key_only:
        (tls / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
