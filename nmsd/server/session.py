"""A session, parked or running: what carries a conversation's bytes between its client and its jobs.

Between commands a session is a non-blocking socket, one libev watcher and this small object.  When something happens
(bytes, a change, the timer) the callback switches straight to a greenlet kept for that, which feeds, runs jobs, sends,
and parks the session again: for a cheap command all of that is one callback.  Nothing is lost if a job expected to be
cheap must wait after all: it is the greenlet that waits.  Jobs that may block take one of the command pool's slots
first; while none is free the session waits in the queue, open, and its client is not read.

Invariants:
- One thing at a time works for a session: the hub while it is PARKED, a greenlet while it is RUNNING.  Nothing is fed
  while a job runs; what arrives meanwhile stays in the kernel.
- No exception leaves a callback: the session it befell is closed, with its farewell where that cannot fall into the
  middle of an answer.
- `conversation.close` runs once, in a greenlet, however the session ends; then its place is free.
- A kill reaches the session it was meant for or nobody: greenlets are reused, so it is checked, in the hub, that the
  greenlet still serves the session.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from greenlet import getcurrent

from nmsd.server.stream import (
    WANT_READ,
    WANT_WRITE,
    Socket,
    TimedOut,
    is_dead,
    send_all,
    send_some,
    wait_until_writable,
)
from nmsd.server.tls import TlsUnavailable, certificate_refusal, has_pending, say_goodbye, secured, shake_hands
from nmsd.wire.protocol import Control, Conversation, Job, Peer

if TYPE_CHECKING:
    from nmsd.server.pump import Pump
    from nmsd.server.trace import Trace

READ_BYTES: Final = 1 << 16
SEND_BYTES: Final = 1 << 16  # output is gathered up to this before it is sent
JOBS: Final = 64  # so many jobs of one client run before others have a turn, however short they are

PARKED: Final = 0  # waits for its client, or for the hub to come to it
QUEUED: Final = 1  # has work that waits for a slot, or for its greenlet to start
RUNNING: Final = 2  # a greenlet works for it
CLOSED: Final = 3  # its socket is closed; its conversation is closed or about to be


class Lost(Exception):
    """The connection is of no more use; the text is the reason."""


class Killed(BaseException):
    """Thrown into the greenlet of a session that is to end now; the text is the reason."""


DEAD: Final = 0  # its client no longer answers the kernel
SILENT: Final = 1
WATCHING: Final = 2  # in IDLE, where silence is what is agreed


class Standing(NamedTuple):
    """Which of several sessions should go on: the least of them goes first."""

    kind: int
    seen: float
    opened: float
    id: str


class Session:
    """One connection with its conversation."""

    __slots__ = (
        "_beat",
        "_ending",
        "_eof",
        "_hand",
        "_job",
        "_pump",
        "_reading",
        "_ready",
        "_sock",
        "_state",
        "_watched",
        "_watcher",
        "_woken",
        "by_tls",
        "conversation",
        "enrolled",
        "has_slot",
        "id",
        "opened",
        "peer",
        "received",
        "seen",
        "sent",
        "trace",
    )

    def __init__(
        self, pump: Pump, sock: Socket, peer: Peer, session_id: str, conversation: Conversation, by_tls: bool
    ) -> None:
        self.conversation = conversation
        self.by_tls = by_tls  # it came to the port where TLS comes first
        self.enrolled = ""  # the account it is counted for (server.crowd)
        self.peer = peer
        self.id = session_id
        self.opened = pump.now
        self.seen = pump.now  # when the client was last heard of
        self.received = 0
        self.sent = 0
        self.trace: Trace | None = None
        self.has_slot = False
        self._pump = pump
        self._sock = sock
        self._watcher: Any = pump.hub.loop.io(sock.fileno(), 1)
        self._reading = False
        self._state = PARKED
        self._hand: Any = None  # the greenlet while RUNNING
        self._job: Job | None = None  # begun and not finished, or the next
        self._ready = False  # there is something to be read
        self._eof = False
        self._ending = ""  # why the session is to end after the present command
        self._watched = ""  # the account the bus wakes it for
        self._woken = False  # the bus, or the timer, did so
        self._beat = False  # the timer came by

    @property
    def parked(self) -> bool:
        """Whether nothing is being done for it."""
        return self._state == PARKED

    @property
    def account(self) -> str:
        """Whose it is; '' before the login."""
        return self.conversation.user

    @property
    def closed(self) -> bool:
        """Whether its connection is closed."""
        return self._state == CLOSED

    def standing(self) -> Standing | None:
        """What speaks for its going on; None while it is in the middle of a command, so that it has to."""
        if self._state != PARKED or self._ready or self.conversation.unfinished:
            return None
        if is_dead(self._sock):
            return Standing(DEAD, self.seen, self.opened, self.id)
        return Standing(WATCHING if self._watched else SILENT, self.seen, self.opened, self.id)

    # What happens to it.  In the hub, or in a greenlet of another session

    def begin(self, job: Job | None) -> None:
        """Greets the client; `job` is what does so if it is not simply the greeting."""
        try:
            self._job = job or self.conversation.greet()
        except Exception:
            self._fail()
            return
        self._start()

    def _on_readable(self) -> None:
        if self._state == PARKED:
            self._ready = True
            self._start()
        else:
            self._stop_reading()  # until the greenlet is done

    def wake(self) -> None:
        """The watched account has changed."""
        self._woken = True
        if self._state == PARKED:
            self._start()

    def visit(self, now: float) -> None:
        """The coarse timer comes by: idle time-out, heartbeat, and a look whether a wake-up was lost."""
        if self._state != PARKED:
            return
        try:
            if now - self.seen >= self.conversation.idle_limit:
                self._say(self.conversation.idle_out())
                self._shut("idle for too long")
            elif self._watched:
                self._woken = self._beat = True
                self._start()
        except Exception:
            self._fail()

    def _start(self) -> None:
        self._state = QUEUED
        self._pump.commands.start(self)

    def end(self, reason: str) -> None:
        """Says farewell and closes: now if it is parked or its command has not begun, else after the present command.
        In the hub or a greenlet."""
        if self._state != PARKED:
            self._ending = reason
            return
        try:
            self._say(self.conversation.farewell(reason))
            self._shut(reason)
        except Exception:
            self._fail()

    def kill(self, reason: str) -> None:
        """Closes now, in the middle of whatever there is."""
        run_callback = self._pump.hub.loop.run_callback
        if self._state == PARKED:
            self.end(reason)
        elif self._state == RUNNING:
            self._ending = reason
            run_callback(self._throw, self._hand, reason)
        elif self._state == QUEUED:
            if self._pump.commands.cancel(self):
                self._shut(reason)
            else:
                run_callback(self.kill, reason)  # a greenlet has it, and is about to start

    def _throw(self, hand: Any, reason: str) -> None:
        if self._hand is hand:
            hand.throw(Killed(reason))

    # In its greenlet

    def run(self) -> None:
        """Does what there is to do."""
        if self._state != CLOSED:
            self._state = RUNNING
            self._hand = getcurrent()
            try:
                self._work()
            except (TimedOut, Lost, Killed) as error:
                self._shut(str(error))
            except Exception:
                self._fail()
            finally:
                self._hand = None
        commands = self._pump.commands
        if self._state == CLOSED:
            if not commands.take_slot(self):
                commands.submit(self, first=True)
                return
            self._release()
        if self.has_slot:
            commands.give_slot(self)

    def _work(self) -> None:
        if self._ready:
            self._ready = False
            self._read()
        pump = self._pump
        clock = pump.clock
        begun = clock()
        if self._job is not None:
            begun = self._job.began or begun  # the wait for a slot counts
        out: list[bytes] = []
        jobs = 0
        while self._state == RUNNING:
            job, self._job = self._job, None
            if job is None and not self._ending:
                job = self.conversation.next_job()
            if job is None:
                self._flush(out)
                self._settle()
                continue
            self._job = job
            if not job.inline and not self.has_slot:
                self._flush(out)  # earlier answers need not wait for this one
                if not pump.commands.take_slot(self):
                    job.began = begun
                    self._queue()
                    return
            if not self._perform(job, out):
                continue
            self._job = None
            jobs += 1
            now = clock()
            pump.latency.observe(now - begun)
            begun = now
            if jobs % JOBS == 0:
                self._flush(out)
                pump.turns.take()
            if self.has_slot and pump.commands.crowded() and self._state == RUNNING:
                self._flush(out)
                pump.commands.give_slot(self)

    def _queue(self) -> None:
        self._state = QUEUED
        self._pump.commands.submit(self)

    def _read(self) -> None:
        try:
            data = self._receive_secure() if self.peer.tls else self._pump.receive(self._sock)
        except WANT_READ:
            return
        except OSError as error:
            raise Lost(f"connection lost: {error.strerror or error}") from None
        if data:
            self.seen = self._pump.now
            self.received += len(data)
            if self.trace is not None:
                self.trace.client(data, bool(self.conversation.user))
        else:
            self._eof = True
            self._stop_reading()
        self.conversation.feed(data)

    def _receive_secure(self) -> bytes:
        pump = self._pump
        while True:
            try:
                data = pump.receive(self._sock)
                # The kernel does not tell of what TLS has read already.
                while has_pending(self._sock):
                    data += pump.receive(self._sock)
                return data
            except WANT_WRITE:
                wait_until_writable(self._sock, pump.write_timeout)

    def _perform(self, job: Job, out: list[bytes]) -> bool:
        """Runs the job; False if it is not finished: the session is closed, or the job has said that it must wait."""
        turns = self._pump.turns
        size = sum(map(len, out)) if out else 0
        pieces = 0
        for piece in job.output:
            pieces += 1
            if isinstance(piece, bytes):
                out.append(piece)
                size += len(piece)
                # Inline jobs are short; the clock is looked at now and then, in case one is not.
                if size < SEND_BYTES and (pieces & 15 if job.inline else not turns.due()):
                    continue
            self._flush(out)
            size = 0
            if piece is Control.CLOSE:
                self._shut("end of session")
                return False
            if piece is Control.START_TLS:
                self._start_tls()
            elif piece is Control.YIELD and job.inline:
                job.inline = False
                return False
            if piece is Control.YIELD or turns.due():
                turns.take()
        return True

    def _flush(self, out: list[bytes]) -> None:
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self.trace is not None:
            self.trace.server(data)
        try:
            count = send_some(self._sock, data)
            if count < len(data):
                # A client that does not take its answers counts as busy, even if no slot is free.
                self._pump.commands.take_slot(self, force=True)
                send_all(self._sock, memoryview(data)[count:], self._pump.write_timeout)
        except OSError as error:
            raise Lost(f"connection lost: {error.strerror or error}") from None
        self.sent += len(data)

    def _start_tls(self) -> None:
        self._stop_reading()
        certificates = self._pump.certificates
        if certificates is None:
            raise TlsUnavailable("TLS was asked for where none is offered")
        try:
            self._sock = sock = shake_hands(self._sock, certificates.context(), self._pump.read_timeout)
        except OSError as error:
            raise Lost(f"TLS handshake failed: {error.strerror or error}") from None
        self.peer = secured(self.peer, sock)
        refusal = certificate_refusal(sock)
        if refusal:
            text = f"badlogin: [{self.peer.address}] certificate {refusal}"
            self._pump.log("Notice", "Account", text, session=self.id)
        if certificates.required and self.peer.certificate is None:
            self._say(self.conversation.farewell("A client certificate is required here"))
            raise Lost("no acceptable client certificate")
        self.conversation.tls_started(self.peer)

    def _settle(self) -> None:
        """When no job is left: takes one the change bus or the timer has brought, else parks or closes."""
        conversation = self.conversation
        if self._ending:
            self._say(conversation.farewell(self._ending))
            self._shut(self._ending)
            return
        if conversation.account != self._watched:
            self._watch(conversation.account)
        if self._woken:
            self._woken = False
            if self._watched:
                self._job = conversation.wake()
        if self._beat and self._job is None:
            self._beat = False
            self._job = conversation.heartbeat()
        if self._job is not None:
            return
        if self._eof:
            self._shut("the client closed the connection")
            return
        self._state = PARKED
        if not conversation.wants_more():
            self._stop_reading()
        elif not self._reading:
            self._reading = True
            self._watcher.start(self._on_readable)

    def _watch(self, account: str) -> None:
        bus = self._pump.bus
        if self._watched:
            bus.unwatch(self._watched, self)
        self._watched = account
        if account:
            bus.watch(account, self)
            self._woken = True  # what changed before the bus knew of us

    def _release(self) -> None:
        """The end: lets the job and the conversation clean up, and gives the place back."""
        job, self._job = self._job, None
        try:
            if job is not None and hasattr(job.output, "close"):
                job.output.close()
        except Exception:
            self._pump.log("Error", "General", "job not closed", session=self.id, trace=traceback.format_exc())
        try:
            self.conversation.close()
        except Exception:
            self._pump.log("Error", "General", "session not closed", session=self.id, trace=traceback.format_exc())
        finally:
            self._pump.sessions.discard(self)

    # Anywhere

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._watcher.stop()

    def _say(self, data: bytes) -> None:
        """Sends some last words, as far as the kernel takes them at once."""
        if data:
            if self.trace is not None:
                self.trace.server(data)
            try:
                self.sent += send_some(self._sock, data)
            except OSError:
                pass

    def _fail(self) -> None:
        """After an exception that should not have been."""
        self._pump.log(
            "Error", "General", "session failed", session=self.id, user=self.conversation.user,
            trace=traceback.format_exc(),
        )  # fmt: skip
        if self._state != CLOSED:
            if self._job is None:  # else it may be in the middle of an answer
                try:
                    self._say(self.conversation.farewell("Internal error"))
                except Exception:
                    pass  # it has been logged that this conversation is broken
            self._shut("internal error")

    def _shut(self, reason: str) -> None:
        """Closes the connection, and sees to it that the conversation is closed."""
        if self._state == CLOSED:
            return
        self._state = CLOSED
        self._stop_reading()
        self._watcher.close()
        if self._watched:
            self._pump.bus.unwatch(self._watched, self)
            self._watched = ""
        if self.peer.tls:
            say_goodbye(self._sock)
        _close(self._sock)
        if self.trace is not None:
            self.trace.end(reason)
        pump = self._pump
        pump.received += self.received
        pump.sent += self.sent
        pump.log(
            "Information", "Network", "session closed", session=self.id, user=self.conversation.user,
            address=self.peer.address, reason=reason, seconds=pump.clock() - self.opened, received=self.received,
            sent=self.sent, mailboxes=self.conversation.mailboxes,
        )  # fmt: skip
        if self._hand is None:
            self._pump.commands.submit(self, first=True)


def _close(sock: Socket) -> None:
    try:
        # Input that was never read would make the kernel reset the connection and the last words be lost.
        sock.recv(READ_BYTES)
    except (OSError, ValueError):
        pass
    sock.close()
