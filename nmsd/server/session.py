"""A session, parked or running: what carries a conversation's bytes between its client and its jobs.

Between commands a session is a non-blocking socket, one libev watcher and this small object.  The watcher's callback
feeds what arrived and runs inline jobs on the spot; a job that may block, an answer the kernel does not take whole, a
TLS handshake, and the closing go to a greenlet of the command pool, and the session is parked again after.

Invariants:
- One thing at a time works for a session: the hub while it is PARKED, a greenlet while it is RUNNING.  Nothing is fed
  while a job runs; what arrives meanwhile stays in the kernel.
- No exception leaves a watcher callback: the session it befell is closed, with its farewell where that cannot fall into
  the middle of an answer.
- `conversation.close` runs once, in a greenlet, however the session ends; then its slot is free.
- A kill reaches the session it was meant for or nobody: greenlets are reused, so it is checked, in the hub, that the
  greenlet still serves the session.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent

from nmsd.server.stream import WANT_READ, WANT_WRITE, Socket, TimedOut, send_all, send_some, wait_until_writable
from nmsd.server.tls import TlsUnavailable, has_pending, say_goodbye, secured, shake_hands
from nmsd.wire.protocol import Control, Conversation, Job, Peer

if TYPE_CHECKING:
    from nmsd.server.pump import Pump

READ_BYTES: Final = 1 << 16
SEND_BYTES: Final = 1 << 16  # output is gathered up to this before it is sent
INLINE_JOBS: Final = 16  # so many jobs of one client run in a callback before other clients have a turn

PARKED: Final = 0  # waits for its client, or for the hub to come to it
QUEUED: Final = 1  # has work that waits for a greenlet
RUNNING: Final = 2  # a greenlet works for it
CLOSED: Final = 3  # its socket is closed; its conversation is closed or about to be


class Lost(Exception):
    """The connection is of no more use; the text is the reason."""


class Killed(BaseException):
    """Thrown into the greenlet of a session that is to end now; the text is the reason."""


class Session:
    """One connection with its conversation."""

    __slots__ = (
        "_control",
        "_ending",
        "_eof",
        "_hand",
        "_job",
        "_out",
        "_pump",
        "_reading",
        "_sock",
        "_stalled",
        "_state",
        "_watched",
        "_watcher",
        "_woken",
        "conversation",
        "id",
        "opened",
        "peer",
        "received",
        "seen",
        "sent",
    )

    def __init__(self, pump: Pump, sock: Socket, peer: Peer, session_id: str, conversation: Conversation) -> None:
        self.conversation = conversation
        self.peer = peer
        self.id = session_id
        self.opened = pump.now
        self.seen = pump.now  # when the client was last heard of
        self.received = 0
        self.sent = 0
        self._pump = pump
        self._sock = sock
        self._watcher: Any = pump.hub.loop.io(sock.fileno(), 1)
        self._reading = False
        self._state = PARKED
        self._hand: Any = None
        self._job: Job | None = None  # begun and not finished, or the next
        self._out = b""  # output of it that the kernel has not taken
        self._control: Control | None = None  # what it asked for after that output
        self._eof = False
        self._stalled = False  # TLS must write before it can read
        self._ending = ""  # why the session is to end after the present command
        self._watched = ""  # the account the bus wakes it for
        self._woken = False  # the bus did so while a greenlet was at work

    @property
    def parked(self) -> bool:
        """Whether nothing is being done for it."""
        return self._state == PARKED

    @property
    def closed(self) -> bool:
        """Whether its connection is closed."""
        return self._state == CLOSED

    # In the hub

    def begin(self, job: Job | None) -> None:
        """Greets the client; `job` is what does so if it is not simply the greeting."""
        try:
            self._job = job or self.conversation.greet()
            self._advance()
        except Exception:
            self._fail()

    def _on_readable(self) -> None:
        try:
            if self._state != PARKED:
                self._stop_reading()  # until the greenlet is done
                return
            self._read()
        except Exception:
            self._fail()

    def _read(self) -> None:
        try:
            data = self._pump.receive(self._sock)
            # The kernel does not tell of what TLS has read already.
            while self.peer.tls and has_pending(self._sock):
                data += self._pump.receive(self._sock)
        except WANT_READ:
            return
        except WANT_WRITE:
            self._stalled = True
            self._hand_over()
            return
        except OSError as error:
            self._shut(f"connection lost: {error.strerror or error}")
            return
        if data:
            self.seen = self._pump.now
            self.received += len(data)
        else:
            self._eof = True
            self._stop_reading()
        self.conversation.feed(data)
        self._advance()

    def wake(self) -> None:
        """The watched account has changed.  In the hub only."""
        if self._state != PARKED:
            self._woken = True
            return
        self._start(self.conversation.wake)

    def visit(self, now: float) -> None:
        """The coarse timer comes by: idle time-out, heartbeat, and a look whether a wake-up was lost."""
        if self._state != PARKED:
            return
        try:
            if now - self.seen >= self.conversation.idle_limit:
                self._say(self.conversation.idle_out())
                self._shut("idle for too long")
                return
        except Exception:
            self._fail()
            return
        if self._watched:
            self._start(self.conversation.wake)
            if self._state == PARKED:
                self._start(self.conversation.heartbeat)

    def _start(self, ask: Callable[[], Job | None]) -> None:
        try:
            job = ask()
            if job is not None:
                self._job = job
                self._advance()
        except Exception:
            self._fail()

    def end(self, reason: str) -> None:
        """Says farewell and closes: now if it is parked or its command has not begun, else after the present command.
        In the hub or a greenlet."""
        if self._state == QUEUED and self._job is None and self._pump.commands.cancel(self):
            self._state = PARKED
        if self._state == PARKED:
            try:
                self._say(self.conversation.farewell(reason))
                self._shut(reason)
            except Exception:
                self._fail()
        else:
            self._ending = reason

    def kill(self, reason: str) -> None:
        """Closes now, in the middle of whatever there is.  In the hub or a greenlet of another session."""
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

    def _advance(self) -> None:
        """Runs the inline jobs there are; then the session is parked, closed, or handed to a greenlet."""
        while not self._run_inline():
            if self._settle():
                return
        self._hand_over()

    def _run_inline(self) -> bool:
        """True if there is something left that needs a greenlet."""
        out: list[bytes] = []
        job, self._job = self._job, None
        left = False
        for _ in range(INLINE_JOBS):
            if job is None:
                job = self.conversation.next_job()
                if job is None:
                    break
            if not job.inline:
                left = True
                break
            if self._gather(job, out):
                left = True
                break
            job = None
        else:
            left = True  # a turn for others
        self._job = job
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            try:
                count = send_some(self._sock, data)
            except OSError as error:
                self._shut(f"connection lost: {error.strerror or error}")
                return False
            self.sent += count
            if count < len(data):
                self._out = data[count:]
                return True
        if self._control is Control.CLOSE:
            self._shut("end of session")
            return False
        return left

    def _gather(self, job: Job, out: list[bytes]) -> bool:
        """Takes a job's output; True if it stopped before the job's end."""
        size = 0
        for piece in job.output:
            if isinstance(piece, bytes):
                out.append(piece)
                size += len(piece)
                if size >= SEND_BYTES:
                    return True
            else:
                self._control = piece
                return True
        return False

    def _hand_over(self) -> None:
        self._state = QUEUED
        self._pump.commands.submit(self)

    # In either

    def _settle(self) -> bool:
        """When no job is left: parks or closes.  False if the change bus has brought a job."""
        if self._state == CLOSED:
            return True
        conversation = self.conversation
        if self._ending:
            self._say(conversation.farewell(self._ending))
            self._shut(self._ending)
            return True
        if conversation.account != self._watched:
            self._watch(conversation.account)
        if self._woken:
            self._woken = False
            if self._watched:
                self._job = conversation.wake()
                if self._job is not None:
                    return False
        if self._eof:
            self._shut("the client closed the connection")
            return True
        self._state = PARKED
        if not conversation.wants_more():
            self._stop_reading()
        elif not self._reading:
            self._reading = True
            self._watcher.start(self._on_readable)
        return True

    def _watch(self, account: str) -> None:
        bus = self._pump.bus
        if self._watched:
            bus.unwatch(self._watched, self)
        self._watched = account
        if account:
            bus.watch(account, self)
            self._woken = True  # what changed before the bus knew of us

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._watcher.stop()

    def _say(self, data: bytes) -> None:
        """Sends some last words, as far as the kernel takes them at once."""
        if data:
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
            if self._state == PARKED:
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
        _close(self._sock)
        self._pump.log(
            "Information", "Network", "session closed", session=self.id, user=self.conversation.user, reason=reason,
            seconds=self._pump.clock() - self.opened, received=self.received, sent=self.sent,
        )  # fmt: skip
        if self._hand is None:
            self._pump.commands.submit(self, first=True)

    # In a greenlet

    def run(self) -> None:
        """Does what was handed over."""
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
        if self._state == CLOSED:
            self._release()

    def _work(self) -> None:
        if self._stalled:
            self._stalled = False
            wait_until_writable(self._sock, self._pump.write_timeout)
            self._pump.hub.loop.run_callback(self._on_readable)
        out: list[bytes] = []
        if self._out:
            out.append(self._out)
            self._out = b""
        if self._control is not None:
            control, self._control = self._control, None
            self._obey(control, out)
        while self._state == RUNNING:
            job, self._job = self._job, None
            if job is None:
                job = None if self._ending else self.conversation.next_job()
            if job is None:
                self._flush(out)
                if self._settle():
                    return
                continue
            if not job.inline:
                self._flush(out)  # earlier answers need not wait for this one
            self._job = job
            self._perform(job, out)
            self._job = None
            if self._state == RUNNING and self._pump.commands.crowded():
                self._flush(out)
                self._hand_over()

    def _perform(self, job: Job, out: list[bytes]) -> None:
        due = self._pump.turns.due
        size = sum(map(len, out))
        for piece in job.output:
            if isinstance(piece, bytes):
                out.append(piece)
                size += len(piece)
                if size >= SEND_BYTES:
                    self._flush(out)
                    size = 0
            else:
                self._obey(piece, out)
                size = 0
                if self._state == CLOSED:
                    return
            if due():
                self._flush(out)
                size = 0
                self._pump.turns.take()

    def _obey(self, control: Control, out: list[bytes]) -> None:
        self._flush(out)
        if control is Control.YIELD:
            self._pump.turns.take()
        elif control is Control.CLOSE:
            self._shut("end of session")
        else:
            self._start_tls()

    def _flush(self, out: list[bytes]) -> None:
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            try:
                send_all(self._sock, data, self._pump.write_timeout)
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
        self.conversation.tls_started(self.peer)

    def _release(self) -> None:
        """The end: lets the job and the conversation clean up, and gives the slot back."""
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


def _close(sock: Socket) -> None:
    say_goodbye(sock)
    try:
        # Input that was never read would make the kernel reset the connection and the last words be lost.
        sock.recv(READ_BYTES)
    except (OSError, ValueError):
        pass
    sock.close()
