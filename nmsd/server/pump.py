"""The pump: opens sessions for a service, and holds what the sessions of a worker share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gevent.hub import get_hub

from nmsd.server.bus import Bus
from nmsd.server.commands import CommandPool
from nmsd.server.pool import SessionPool
from nmsd.server.session import READ_BYTES, Session
from nmsd.server.stream import Socket
from nmsd.server.tls import Certificates
from nmsd.server.turns import Turns
from nmsd.wire.protocol import Control, Conversation, Job, Log, Output, Peer, Service
from nmsd.wire.tally import Histogram


class Pump:
    """What the sessions of a worker share.

    `clock` gives seconds that only go forward; `now` is what it gave at the last tick, which is exact enough for idle
    time-outs and costs nothing to read.
    """

    def __init__(
        self,
        service: Service,
        *,
        sessions: SessionPool,
        commands: CommandPool,
        turns: Turns,
        bus: Bus,
        certificates: Certificates | None,
        log: Log,
        clock: Callable[[], float],
        read_timeout: float,
        write_timeout: float,
        name: str = "",
    ) -> None:
        self.service = service
        self.sessions = sessions
        self.commands = commands
        self.turns = turns
        self.bus = bus
        self.certificates = certificates
        self.log = log
        self.clock = clock
        self.read_timeout = read_timeout
        self.write_timeout = write_timeout
        self.now = clock()
        self.latency = Histogram()
        """Of commands, from when their bytes were there, or the one before was done, until their answer was made."""
        self.received = 0
        """Bytes from clients of sessions that have ended; `sent` to them."""
        self.sent = 0
        self.hub: Any = get_hub()
        self._name = name or service.name
        self._opened = 0
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)

    def open(self, sock: Socket, peer: Peer, tls: bool) -> None:
        """Starts a session on a connected non-blocking socket; `tls`: with a handshake before the greeting.

        In the hub, or in a greenlet.  The pool must have room.
        """
        self._opened += 1
        session_id = f"{self._name}-{self._opened:x}"
        session = Session(self, sock, peer, session_id, self.service.open(peer, session_id), tls)
        self.sessions.add(session)
        where = {"address": peer.address, "port": peer.port, "tls": tls}
        self.log("Information", "Network", "session opened", session=session_id, **where)
        session.begin(Job(_after_handshake(session.conversation), False) if tls else None)

    def receive(self, sock: Socket) -> bytes:
        """What is there to be read, at most READ_BYTES; b'' at the end of file.  Raises WANT_READ, WANT_WRITE,
        OSError."""
        count = sock.recv_into(self._buffer)  # mypyc would do it twice within the slice
        return bytes(self._view[:count])

    def opened(self) -> int:
        """How many sessions there ever were."""
        return self._opened


def _after_handshake(conversation: Conversation) -> Iterator[Output]:
    yield Control.START_TLS
    yield from conversation.greet().output
