"""How a protocol's conversation and the worker that carries it meet.

A conversation is sans-IO: it is fed bytes and hands out jobs; a job, run, gives the bytes to send and now and then a
Control.  It never sees a socket, a clock, a thread or gevent.  The worker (server.pump) parks it between jobs.

The order of things: `greet`, then `feed` whenever bytes arrive, and after each `feed` or finished job `next_job` until
it gives None (more bytes are wanted; park).  One job runs at a time, to its end, before the next is asked for.  A job
with `inline` runs in the event loop's own callback and so may not wait for anything; one that finds that it must gives
YIELD, and what comes after runs in a greenlet.  Any other runs in a greenlet with a command slot, and may block (only
its greenlet).  While a job runs nothing is fed.  At the end, however it comes, `close` once.

`wake` is called when the watched account changed, when the watch begins, and now and then by the timer, so it should
cost next to nothing while Changes.stamp is what it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol


class Control(Enum):
    """What a job asks of the worker, besides sending bytes."""

    START_TLS = "start-tls"  # send what came before, drop unread plain text, shake hands; then `tls_started` is called
    CLOSE = "close"  # send what came before, then close
    YIELD = "yield"  # let others have a turn (a long scan between two slices)


Output = bytes | Control


class Job:
    """A piece of work: iterate `output` to the end, sending as you go.  `began` is the worker's note of when it was
    put off, 0 if it was not."""

    __slots__ = ("began", "inline", "output")

    def __init__(self, output: Iterator[Output], inline: bool) -> None:
        self.output = output
        self.inline = inline
        self.began = 0.0


@dataclass(frozen=True)
class Peer:
    """The two ends of a connection, as far as a protocol cares.

    `cipher_bits` is 0 without TLS.  `certificate` is the client's verified certificate in DER, if it sent one.  `local`
    is true for a Unix socket.  `bindings` are what TLS's channel can be bound to (RFC 5056), by name.
    """

    address: str
    port: int
    local_address: str
    local_port: int
    tls: bool = False
    cipher_bits: int = 0
    certificate: bytes | None = None
    local: bool = False
    bindings: tuple[tuple[bytes, bytes], ...] = ()


class Conversation(Protocol):
    """One client's session, from greeting to close.

    `user` is the login for the sessions table ('' before login); `state` a word for it ("selected INBOX"); `account`
    the account whose changes should call `wake` ('' while it need not hear: only an IDLE client needs waking).
    `idle_limit` is after how many seconds of silence `idle_out` is due.
    """

    user: str
    account: str

    @property
    def state(self) -> str: ...

    @property
    def idle_limit(self) -> float: ...

    @property
    def mailboxes(self) -> int:
        """How many mailboxes it has opened, for the log."""

    @property
    def unfinished(self) -> bool:
        """Whether the client is in the middle of a command (a literal, a SASL exchange), so that its silence is no
        sign of having nothing to do."""

    def greet(self) -> Job:
        """The greeting (it may look up the client, so it may not be inline)."""

    def feed(self, data: bytes) -> None:
        """Takes what arrived; b'' at the client's end of file."""

    def next_job(self) -> Job | None:
        """The next thing to do with what was fed, or None until more comes.  Never raises on any input."""

    def wants_more(self) -> bool:
        """False while so much is buffered that reading on should wait (the worker then stops reading)."""

    def wake(self) -> Job | None:
        """The watched account has changed: what to tell the client, if anything."""

    def heartbeat(self) -> Job | None:
        """Called by the coarse timer while the session is parked: the IDLE heartbeat when it is due."""

    def tls_started(self, peer: Peer) -> None:
        """The handshake that START_TLS asked for is done; all that was fed before is forgotten."""

    def idle_out(self) -> bytes:
        """The client was silent too long: what to say before closing."""

    def farewell(self, reason: str) -> bytes:
        """The server is closing the session (shutdown, administrator): what to say before closing."""

    def close(self) -> None:
        """Releases what the session holds (locks, spools, \\Recent claims).  May block; called in a greenlet."""


class Log(Protocol):
    """The event log: one line an event.  Fields are written key=value; never give it a secret."""

    def __call__(self, level: str, category: str, text: str, **fields: Any) -> None:
        """`level`: Error, Warning, Notice, Information, Debug; `category`: General, Network, Account, Protocol, Store,
        LDAP (Netscape's words)."""


class Changes(Protocol):
    """The change bus, as a conversation sees it."""

    def stamp(self, account: str) -> int:
        """A number that is different after every commit to the account by any process, at the price of a memory read.
        Equal stamps: nothing has changed."""


class Service(Protocol):
    """What a worker serves: opens a conversation for each connection."""

    @property
    def name(self) -> str:
        """The service's name in settings: imap, pop, lmtp."""

    def open(self, peer: Peer, session_id: str) -> Conversation:
        """A new client's conversation.  Where TLS comes first, `tls_started` is called before `greet`."""

    def busy(self) -> bytes:
        """What a client hears, instead of a greeting, for whom there is no room."""

    def unwelcome(self) -> bytes:
        """What a client hears, instead of a greeting, that is not let in from where it is."""
