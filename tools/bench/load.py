"""The load generator: many clients of line protocols in one epoll loop.

A client is a script, a generator that yields steps and is sent what the server answered.  A step is what to send and
how the last line of the complete answer begins; `CONNECT` opens a new connection (the greeting is the next step's
answer).  Answers are not kept beyond their last line, so that a 200 MB FETCH costs the client little.  The loop counts
what scripts report as done, and measures its own CPU, which tells whether it was the bottleneck.
"""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

TAIL_BYTES: Final = 512
READ_BYTES: Final = 1 << 18


@dataclass(frozen=True)
class Step:
    """Send `data`; the answer is complete when its last line begins with `until`."""

    data: bytes
    until: bytes


CONNECT: Final = Step(b"", b"")
Script = Generator[Step, bytes, None]


class Refused(Exception):
    """The server closed, or did not give the awaited answer in time."""


@dataclass
class Score:
    """What a run achieved.  `latencies` are seconds, one for each unit of work."""

    done: int = 0
    seconds: float = 0.0
    client_cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """The latency below which `percent` of the work was done."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def is_complete(tail: bytes, until: bytes) -> bool:
    """Whether the last line of `tail` is whole and begins with `until`."""
    return tail.endswith(b"\r\n") and tail.startswith(until, tail.rfind(b"\n", 0, -1) + 1)


class _Client:
    __slots__ = ("address", "next", "poll", "script", "socket", "tail", "unsent", "until")

    def __init__(self, address: tuple[str, int], script: Script, poll: select.epoll) -> None:
        self.address = address
        self.script = script
        self.poll = poll
        self.socket: socket.socket | None = None
        self.tail = b""
        self.until = b""
        self.unsent = b""

    def take(self, step: Step) -> None:
        while step is CONNECT:
            self.close()
            fresh = socket.socket()
            fresh.connect(self.address)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fresh.setblocking(False)
            self.socket = fresh
            self.poll.register(fresh.fileno(), select.EPOLLIN)
            step = self.script.send(b"")
        self.until = step.until
        self.tail = b""
        if step.data:
            self.write(step.data)

    def write(self, data: bytes) -> None:
        assert self.socket is not None
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data) and not self.unsent:
            return
        was_waiting = bool(self.unsent)
        self.unsent = data[sent:]
        if bool(self.unsent) != was_waiting:
            self.poll.modify(self.socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if self.unsent else 0))

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def run(address: tuple[str, int], scripts: Iterable[Script], patience: float = 60.0) -> Score:
    """Runs all scripts to their ends.  Raises Refused when a server hangs up or stays silent for `patience` seconds."""
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    buffer = memoryview(bytearray(READ_BYTES))  # one for all: to get so much memory anew costs more than to read
    score = Score()
    began, cpu_began = time.perf_counter(), _own_cpu()

    def advance(client: _Client, answer: bytes | None) -> None:
        try:
            step = client.script.send(answer) if answer is not None else next(client.script)
            client.take(step)
        except StopIteration:
            client.close()
            return
        assert client.socket is not None
        clients[client.socket.fileno()] = client

    for script in scripts:
        advance(_Client(address, script, poll), None)
    while clients:
        ready = poll.poll(patience)
        if not ready:
            waiting = next(iter(clients.values()))
            raise Refused(f"no {waiting.until!r} within {patience} s; the last was {waiting.tail[-200:]!r}")
        for descriptor, event in ready:
            client = clients[descriptor]
            assert client.socket is not None
            if event & select.EPOLLOUT and client.unsent:
                client.write(client.unsent)
            if not event & (select.EPOLLIN | select.EPOLLHUP):
                continue
            try:
                data = bytes(buffer[: client.socket.recv_into(buffer)])
            except BlockingIOError:
                continue
            if not data:
                raise Refused(f"closed instead of {client.until!r}; the last was {client.tail[-200:]!r}")
            tail = client.tail + data if len(data) < TAIL_BYTES else data
            if is_complete(tail, client.until):
                del clients[descriptor]
                advance(client, tail)
            else:
                client.tail = tail[-TAIL_BYTES:]
    score.seconds = time.perf_counter() - began
    score.client_cpu = _own_cpu() - cpu_began
    poll.close()
    return score


def repeated(
    setup: Callable[[], Iterator[Step]], work: Callable[[], Iterator[Step]], score: Score, until: float, least: int = 1
) -> Script:
    """A script: `setup`'s steps once, then `work`'s again and again until the clock says `until`, counting it."""
    for step in setup():
        yield step
    turns = 0
    while turns < least or time.perf_counter() < until:
        began = time.perf_counter()
        for step in work():
            yield step
        score.latencies.append(time.perf_counter() - began)
        score.done += 1
        turns += 1


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
