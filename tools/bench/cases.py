"""The measurements: each takes a running, filled server and gives a Figure."""

from __future__ import annotations

import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from load import CONNECT, Score, Script, Step, is_complete, repeated, run
from servers import DOMAIN, PASSWORD, Server

BIG: Final = "big"
WORKERS: Final = [f"u{number:02}" for number in range(1, 17)]
SLEEPERS: Final = [f"idle{number:02}" for number in range(1, 21)]
USERS: Final = [BIG, *WORKERS, *SLEEPERS]
SLEEPER_MESSAGES: Final = 1000
SCANS: Final = 5
SCAN_SECONDS: Final = 1.5


@dataclass(frozen=True)
class Options:
    """How long and how much."""

    seconds: float = 4.0
    messages: int = 10_000
    sessions: int = 1000
    process_sessions: int = 40  # for servers with a process for each session; a user has 128 inotify instances
    idle_wait: float = 75.0


@dataclass(frozen=True)
class Figure:
    """What was measured.  `cpu_us` is the server's processor time for one operation, 0 where it does not apply;
    `client_share` is how much of one core the load generator took."""

    value: float
    unit: str
    cpu_us: float = 0.0
    client_share: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.unit.endswith("/s")

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


# Scripts

_message_number = iter(range(1, 1 << 62))


def ten_kilobytes() -> bytes:
    """A new 10 KB message."""
    number = next(_message_number)
    head = (
        f"Return-Path: <sender@{DOMAIN}>\r\nFrom: Sender <sender@{DOMAIN}>\r\nTo: Receiver <receiver@{DOMAIN}>\r\n"
        f"Subject: Measurement {number}\r\nDate: Tue, 03 Mar 2026 10:11:12 +0000\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@{DOMAIN}>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog while the rain in Spain stays.\r\n"
    return head + line * ((10_240 - len(head)) // len(line))


def imap_login(user: str, *, select: bool = True) -> Iterator[Step]:
    """From nothing to logged in, with INBOX selected."""
    yield CONNECT
    yield Step(b"", b"* OK")
    yield Step(f"l1 LOGIN {user} {PASSWORD}\r\n".encode(), b"l1 OK")
    if select:
        yield Step(b"s1 SELECT INBOX\r\n", b"s1 OK")


def command(line: bytes) -> Iterator[Step]:
    """One IMAP command that succeeds."""
    yield Step(b"c1 " + line + b"\r\n", b"c1 OK")


def append() -> Iterator[Step]:
    """One APPEND of 10 KB, with the literal sent at once."""
    body = ten_kilobytes()
    yield Step(b"a1 APPEND INBOX {%d+}\r\n%s\r\n" % (len(body), body), b"a1 OK")


def whole_imap_session(user: str) -> Iterator[Step]:
    yield from imap_login(user)
    yield Step(b"o1 LOGOUT\r\n", b"o1 OK")


def whole_pop_session(user: str) -> Iterator[Step]:
    yield CONNECT
    yield Step(b"", b"+OK")
    yield Step(f"USER {user}\r\n".encode(), b"+OK")
    yield Step(f"PASS {PASSWORD}\r\n".encode(), b"+OK")
    yield Step(b"STAT\r\n", b"+OK")
    yield Step(b"QUIT\r\n", b"+OK")


def lmtp_hello() -> Iterator[Step]:
    yield CONNECT
    yield Step(b"", b"220")
    yield Step(b"LHLO client.example.com\r\n", b"250 ")


def delivery(user: str) -> Iterator[Step]:
    yield Step(f"MAIL FROM:<sender@{DOMAIN}>\r\n".encode(), b"250 ")
    yield Step(f"RCPT TO:<{user}@{DOMAIN}>\r\n".encode(), b"250 ")
    yield Step(b"DATA\r\n", b"354")
    yield Step(ten_kilobytes() + b".\r\n", b"250 ")


# Measuring


def _throughput(
    server: Server,
    address: tuple[str, int],
    clients: list[tuple[Callable[[], Iterator[Step]], Callable[[], Iterator[Step]]]],
    seconds: float,
    warm_up: bool = True,
) -> Figure:
    if warm_up:
        _throughput(server, address, clients, seconds / 8, warm_up=False)
    before = server.cpu()
    score = Score()
    until = time.perf_counter() + seconds
    total = run(address, [repeated(setup, work, score, until) for setup, work in clients])
    cpu = server.cpu() - before
    return Figure(
        score.done / total.seconds,
        "/s",
        cpu / score.done * 1e6,
        total.client_cpu / total.seconds,
        score.percentile(50) * 1e3,
        score.percentile(99) * 1e3,
    )


def _scan(server: Server, line: bytes, user: str = BIG, undo: bytes | None = None) -> Figure:
    """How long one command over the whole mailbox takes, after one to warm up; repeated long enough that the kernel's
    10 ms clock ticks are fine enough for its CPU."""
    times: list[float] = []
    spent: list[float] = []

    def script() -> Script:
        yield from imap_login(user)
        while len(times) <= SCANS or sum(times) < SCAN_SECONDS:
            if times and undo is not None:
                yield from command(undo)
            cpu, began = server.cpu(), time.perf_counter()
            yield from command(line)
            times.append(time.perf_counter() - began)
            spent.append(server.cpu() - cpu)
        yield Step(b"o1 LOGOUT\r\n", b"o1 OK")

    score = run(server.imap, [script()], patience=120)
    return Figure(
        statistics.median(times[1:]) * 1e3, "ms", sum(spent) / len(spent) * 1e6, score.client_cpu / score.seconds
    )


def noop(clients: int) -> Callable[[Server, Options], Figure]:
    def measure(server: Server, options: Options) -> Figure:
        pairs = [
            (lambda user=WORKERS[number % 16]: imap_login(user), lambda: command(b"NOOP")) for number in range(clients)
        ]
        return _throughput(server, server.imap, pairs, options.seconds)

    return measure


def login(server: Server, options: Options) -> Figure:
    pairs = [(nothing, lambda user=user: whole_imap_session(user)) for user in WORKERS]
    return _throughput(server, server.imap, pairs, options.seconds)


def pop(server: Server, options: Options) -> Figure:
    pairs = [(nothing, lambda user=user: whole_pop_session(user)) for user in WORKERS]
    return _throughput(server, server.pop3, pairs, options.seconds)


def appends(*, same: bool) -> Callable[[Server, Options], Figure]:
    def measure(server: Server, options: Options) -> Figure:
        users = [WORKERS[0]] * 16 if same else WORKERS
        pairs = [(lambda user=user: imap_login(user, select=False), append) for user in users]
        return _throughput(server, server.imap, pairs, options.seconds)

    return measure


def lmtp(server: Server, options: Options) -> Figure:
    pairs = [(lmtp_hello, lambda user=user: delivery(user)) for user in WORKERS]
    return _throughput(server, server.lmtp, pairs, options.seconds)


def nothing() -> Iterator[Step]:
    return iter(())


def scan(line: bytes, undo: bytes | None = None) -> Callable[[Server, Options], Figure]:
    return lambda server, options: _scan(server, line, undo=undo)


def idle_wake_up(server: Server, options: Options) -> Figure:
    """From sending an APPEND until another session's IDLE hears EXISTS; each IDLE client hears one, once it has been
    idle long enough to hibernate where that is on."""
    delays = []
    waiting = []
    for user in SLEEPERS:
        connection = Connection(server.imap)
        connection.login(user)
        connection.send(b"i1 IDLE\r\n", b"+ ")
        waiting.append(connection)
    time.sleep(8 if server.name == "dovecot-hibernate" else 1)
    before = server.cpu()
    for user, sleeper in zip(SLEEPERS, waiting, strict=True):
        writer = Connection(server.imap)
        writer.login(user)
        body = ten_kilobytes()
        began = time.perf_counter()
        writer.socket.sendall(b"a1 APPEND INBOX {%d+}\r\n%s\r\n" % (len(body), body))
        sleeper.until_seen(b" EXISTS\r\n")
        delays.append((time.perf_counter() - began) * 1e3)
        writer.close()
    cpu = (server.cpu() - before) / len(delays)
    for connection in waiting:
        connection.close()
    delays.sort()
    return Figure(statistics.median(delays), "ms", cpu * 1e6, p50_ms=statistics.median(delays), p99_ms=delays[-1])


def memory(*, tls: bool) -> Callable[[Server, Options], Figure]:
    def measure(server: Server, options: Options) -> Figure:
        count = options.process_sessions if server.is_process_per_session else options.sessions
        server.restart()
        if not server.is_process_per_session:
            # What the first sessions cause to be loaded is the server's, not the session's.
            for connection in [_sleeper(server, number, tls) for number in range(len(SLEEPERS))]:
                connection.close()
        before = server.memory()
        sleepers = [_sleeper(server, number, tls) for number in range(count)]
        time.sleep(options.idle_wait)
        used = server.memory() - before
        for connection in sleepers:
            connection.close()
        return Figure(used / count / 1024, "KB")

    return measure


def _sleeper(server: Server, number: int, tls: bool) -> Connection:
    connection = Connection(server.imaps if tls else server.imap, tls)
    connection.login(SLEEPERS[number % len(SLEEPERS)])
    connection.send(b"i1 IDLE\r\n", b"+ ")
    return connection


class Connection:
    """A blocking connection, for the few things that are not a matter of throughput."""

    def __init__(self, address: tuple[str, int], tls: bool = False) -> None:
        plain = socket.create_connection(address, timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = _TLS.wrap_socket(plain) if tls else plain
        self.send(b"", b"* OK")

    def send(self, data: bytes, until: bytes) -> None:
        """Sends, and reads until a last line that begins with `until`."""
        if data:
            self.socket.sendall(data)
        tail = b""
        while not is_complete(tail, until):
            tail = (tail + self._read())[-4096:]

    def until_seen(self, text: bytes) -> None:
        """Reads until `text` has come."""
        seen = b""
        while text not in seen:
            seen += self._read()

    def _read(self) -> bytes:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed by the server")
        return data

    def login(self, user: str) -> None:
        self.send(f"l1 LOGIN {user} {PASSWORD}\r\n".encode(), b"l1 OK")
        self.send(b"s1 SELECT INBOX\r\n", b"s1 OK")

    def close(self) -> None:
        self.socket.close()


_TLS: Final = ssl.create_default_context()
_TLS.check_hostname = False
_TLS.verify_mode = ssl.CERT_NONE


def fill(server: Server, user: str, messages: Iterator[bytes], wait: Callable[[], None]) -> None:
    """Appends messages to the user's INBOX, many in flight at once."""

    def script() -> Script:
        yield from imap_login(user)
        batch: list[bytes] = []
        for number, body in enumerate(messages):
            flags = b"(\\Seen)" if number % 3 else b"()"
            batch.append(b"APPEND INBOX %s {%d+}\r\n%s\r\n" % (flags, len(body), body))
            if len(batch) == 50:
                yield _pipelined(batch)
                batch = []
                wait()
        if batch:
            yield _pipelined(batch)

    run(server.imap, [script()])


def _pipelined(batch: list[bytes]) -> Step:
    # Dovecot answers pipelined commands in order, as RFC 3501 lets every server do, so the last tag closes the batch.
    last = len(batch) - 1
    return Step(b"".join(b"b%d %s" % (number, line) for number, line in enumerate(batch)), b"b%d OK" % last)


METADATA: Final = b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"

CASES: Final[dict[str, tuple[str, Callable[[Server, Options], Figure]]]] = {
    "noop-1": ("NOOP, 1 client", noop(1)),
    "noop-16": ("NOOP, 16 clients", noop(16)),
    "noop-100": ("NOOP, 100 clients", noop(100)),
    "login": ("IMAP login + SELECT + LOGOUT, 16 clients", login),
    "pop": ("POP3 login + STAT + QUIT, 16 clients", pop),
    "fetch-metadata": ("FETCH 1:* metadata", scan(METADATA)),
    "fetch-flags": ("FETCH 1:* (UID FLAGS)", scan(b"FETCH 1:* (UID FLAGS)")),
    "fetch-bodies": ("FETCH 1:* BODY.PEEK[]", scan(b"FETCH 1:* BODY.PEEK[]")),
    "search-body": ("SEARCH BODY", scan(b'SEARCH BODY "lindqvist"')),
    "search-subject": ("SEARCH SUBJECT", scan(b'SEARCH SUBJECT "throughput"')),
    "search-from": ("SEARCH FROM", scan(b'SEARCH FROM "castillo"')),
    "search-unseen": ("SEARCH UNSEEN", scan(b"SEARCH UNSEEN")),
    "store": (
        "STORE 1:* +FLAGS",
        scan(b"STORE 1:* +FLAGS (\\Flagged)", undo=b"STORE 1:* -FLAGS (\\Flagged)"),
    ),
    "append": ("APPEND 10 KB, 16 clients, an account each", appends(same=False)),
    "append-same": ("APPEND 10 KB, 16 clients, one account", appends(same=True)),
    "lmtp": ("LMTP delivery 10 KB, 16 clients", lmtp),
    "idle": ("IDLE: APPEND until EXISTS is seen", idle_wake_up),
    "memory": ("memory per idle session", memory(tls=False)),
    "memory-tls": ("memory per idle session, TLS", memory(tls=True)),
}
"""Name: (title, measurement), in the order in which they run: those that only read come first."""

HIBERNATION_CASES: Final = ("idle", "memory", "memory-tls")
