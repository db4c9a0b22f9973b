"""A small service for the tests of the pump: one word a line, each showing one thing a conversation may do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from nmsd.server.bus import Bus
from nmsd.wire.protocol import Control, Job, Output, Peer

PIECE = b"x" * 65535 + b"\n"


class EchoConversation:
    """Its commands are the `do_` methods; anything else is echoed."""

    def __init__(self, service: EchoService, peer: Peer, session_id: str) -> None:
        self.service = service
        self.peer = peer
        self.id = session_id
        self.user = ""
        self.account = ""
        self.idle_limit = service.idle_limit
        self.closed = 0
        self.interrupted = False
        self._buffer = b""
        self._eof = False
        self._stamp = 0
        self._beats = 0

    @property
    def state(self) -> str:
        return "idle" if self.account else "ready"

    @property
    def unfinished(self) -> bool:
        return bool(self._buffer)

    @property
    def mailboxes(self) -> int:
        return 0

    def greet(self) -> Job:
        return Job(iter((b"hello\n",)), True)

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._eof = self._eof or not data

    def wants_more(self) -> bool:
        return len(self._buffer) < self.service.read_ahead

    def next_job(self) -> Job | None:
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            return Job(iter((b"eof seen\n", Control.CLOSE)), True) if self._eof else None
        self._buffer = rest
        self.service.log.append(line)
        name, *arguments = line.decode().split(" ")
        if self.account:
            self.account = ""
        run = getattr(self, "do_" + name, None)
        if run is None:
            return Job(iter((b"echo " + line + b"\n",)), True)
        return Job(run(*arguments), name in ("noop", "quit", "boom", "idle", "late", "tls", "inlinebig", "surprise"))

    def do_noop(self) -> Iterator[Output]:
        yield b"ok\n"

    def do_block(self) -> Iterator[Output]:
        try:
            self.service.block()
        except BaseException:
            self.interrupted = True
            raise
        self.service.finished.append(self.id)
        yield b"unblocked\n"

    def do_late(self) -> Iterator[Output]:
        """An inline job that finds that it must wait."""
        yield b"waiting\n"
        yield Control.YIELD
        self.service.block()
        yield b"late\n"

    def do_surprise(self) -> Iterator[Output]:
        """An inline job that waits without having said so."""
        self.service.block()
        yield b"surprised\n"

    def do_big(self, count: str) -> Iterator[Output]:
        for _ in range(int(count)):
            yield PIECE
        yield b"end\n"

    do_inlinebig = do_big

    def do_spin(self, milliseconds: str, count: str) -> Iterator[Output]:
        for _ in range(int(count)):
            end = time.perf_counter() + int(milliseconds) / 1000
            while time.perf_counter() < end:
                pass
            yield b"."
        yield b"\n"

    def do_tls(self) -> Iterator[Output]:
        yield b"begin tls\n"
        yield Control.START_TLS

    def do_idle(self) -> Iterator[Output]:
        self.account = "alice"
        if self.service.bus is not None:
            self._stamp = self.service.bus.stamp(self.account)
        yield b"idling\n"

    def do_quit(self) -> Iterator[Output]:
        yield b"bye\n"
        yield Control.CLOSE

    def do_boom(self) -> Iterator[Output]:
        yield b"half\n"
        raise ValueError("boom")

    def do_blockboom(self) -> Iterator[Output]:
        yield b"half\n"
        raise ValueError("boom")

    def wake(self) -> Job | None:
        stamp = self.service.bus.stamp(self.account) if self.service.bus is not None else 0
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return Job(self._tell(), self.service.wake_inline)

    def _tell(self) -> Iterator[Output]:
        self.service.waking()
        yield b"changed\n"

    def heartbeat(self) -> Job | None:
        self._beats += 1
        if self._beats % self.service.beats_each:
            return None
        return Job(iter((b"still here\n",)), True)

    def tls_started(self, peer: Peer) -> None:
        self._buffer = b""
        self.peer = peer

    def idle_out(self) -> bytes:
        return b"idle for too long\n"

    def farewell(self, reason: str) -> bytes:
        return b"farewell: " + reason.encode() + b"\n"

    def close(self) -> None:
        self.closed += 1
        self.service.closing()


class EchoService:
    """Opens echo conversations; `block` is what blocking jobs wait with."""

    name = "echo"

    def __init__(self, block: Callable[[], Any] = lambda: None, bus: Bus | None = None) -> None:
        self.block = block
        self.bus = bus
        self.closing: Callable[[], Any] = lambda: None
        self.waking: Callable[[], Any] = lambda: None
        self.idle_limit = 1800.0
        self.read_ahead = 1 << 16
        self.wake_inline = True
        self.beats_each = 1000
        self.log: list[bytes] = []
        self.finished: list[str] = []
        self.conversations: list[EchoConversation] = []

    def open(self, peer: Peer, session_id: str) -> EchoConversation:
        conversation = EchoConversation(self, peer, session_id)
        self.conversations.append(conversation)
        return conversation

    def busy(self) -> bytes:
        return b"busy\n"

    def unwelcome(self) -> bytes:
        return b"unwelcome\n"
