"""One worker: its listeners, its sessions, its life from ready through draining or stopping to the end.

Security: everything a client sends goes through here as bytes and is understood only by the protocol's conversation;
the process runs as the server's user, and holds the store, the directory and the key of the certificate open.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

import gevent
from gevent.event import Event

from nmsd.config.launch import Listener as Inherited
from nmsd.server import board as boards
from nmsd.server.admission import Admission, Answer
from nmsd.server.board import Board
from nmsd.server.commands import Work
from nmsd.server.listener import ALONE, SHARED, Listener
from nmsd.server.pump import Pump
from nmsd.server.session import Session
from nmsd.server.status import StatusPipe
from nmsd.server.stream import Socket, TimedOut, send_some
from nmsd.server.timer import Timer
from nmsd.server.tls import TlsUnavailable, shake_hands
from nmsd.wire.protocol import Peer

REFUSALS: Final = 32  # clients on the TLS port that are told at the same time that there is no room
DOUBT_S: Final = 0.05  # how often a worker that is otherwise done looks whether somebody is still at the door
GOODBYE: Final = "Server is shutting down"


class Refusal:
    """Tells a client on the TLS port, for whom there is no room or who is kept out, so."""

    def __init__(self, worker: Worker, sock: Socket, words: bytes) -> None:
        self.has_slot = False
        self._worker = worker
        self._sock = sock
        self._words = words

    def run(self) -> None:
        """Shakes hands first, for the client would not understand it otherwise."""
        worker = self._worker
        try:
            certificates = worker.pump.certificates
            if certificates is not None:
                secure = shake_hands(self._sock, certificates.context(), worker.pump.read_timeout)
                self._sock = secure
                send_some(secure, self._words)
        except (OSError, TimedOut, TlsUnavailable):
            pass
        finally:
            self._sock.close()
            worker.refusals -= 1


class Doubt:
    """A client of whom it takes a while to say whether he may come in."""

    def __init__(self, worker: Worker, admission: Admission, sock: Socket, peer: Peer, tls: bool) -> None:
        self.has_slot = False
        self._worker = worker
        self._admission = admission
        self._sock = sock
        self._peer = peer
        self._tls = tls

    def run(self) -> None:
        """Waits for the answer, and does what it says."""
        worker = self._worker
        is_open = True
        try:
            if not self._admission.passes(self._peer, self._tls):
                worker.turn_away(self._sock, self._tls, worker.pump.service.unwelcome())
                is_open = False
                return
            with self._admission.crowd.room_for(self._peer.address) as there_is:
                if there_is:
                    worker.let_in(self._sock, self._peer, self._tls)
                else:
                    worker.refuse(self._sock, self._tls)
                is_open = False
        finally:
            worker.doubts -= 1
            if is_open:
                self._sock.close()


class Worker:
    """A service in a process.

    `processes` is how many workers the service has; `stop_seconds` how long a stop may take; `on_reload` is called at
    SIGHUP and gives the new maximum of sessions and of threads; `counters` gives more facts for the status lines.
    """

    def __init__(
        self,
        pump: Pump,
        board: Board,
        listeners: Sequence[Inherited],
        *,
        processes: int,
        index: int,
        status_fd: int,
        stop_seconds: Callable[[], float],
        on_reload: Callable[[], tuple[int, int]],
        counters: Callable[[], dict[str, Any]],
        duties: Sequence[Callable[[], None]] = (),
        admission: Admission | None = None,
        most_doubts: Callable[[], int] = lambda: 1,
    ) -> None:
        self.pump = pump
        self.rejected = 0
        self.most = 0
        """Most sessions there were at the same time."""
        self.refusals = 0
        self.doubts = 0
        self.admission = admission
        """What decides who may come in; None where everybody may."""
        self._most_doubts = most_doubts
        self._board = board
        self._index = index
        self._state = boards.STARTING
        self._stop_seconds = stop_seconds
        self._on_reload = on_reload
        self._counters = counters
        self._stopping = False
        self._over = Event()
        self._service = pump.service.name
        pump.sessions.on_come = self._on_come
        pump.sessions.on_leave = self._on_leave
        accepts = ALONE if processes == 1 else SHARED
        self._listeners = [Listener(inherited.fd, inherited.kind, self, accepts) for inherited in listeners]
        self._status = StatusPipe(status_fd, pump.clock, self.stop) if status_fd >= 0 else None
        self._timer = Timer(pump, (self._beat, *duties))

    # The door

    def shut(self) -> bool:
        """Full, while another worker has room: leave new clients to that one.  When all are full, somebody must tell
        them so, and everybody does."""
        return self.pump.sessions.full() and any(
            row.sessions < row.max_sessions for row in self._board.siblings(self._service)
        )

    def come_in(self, sock: Socket, peer: Peer, tls: bool) -> None:
        """Opens a session, or tells that there is no room or the client is kept out; perhaps not at once."""
        admission = self.admission
        answer = Answer.IN if admission is None else admission.look(peer, tls)
        if answer is Answer.IN:
            self.let_in(sock, peer, tls)
        elif answer is Answer.OUT:
            self.turn_away(sock, tls, self.pump.service.unwelcome())
        elif self.doubts < self._most_doubts():
            assert admission is not None
            self.doubts += 1
            work: Work = Doubt(self, admission, sock, peer, tls)
            self.pump.commands.start(work)
        else:
            self.refuse(sock, tls)

    def let_in(self, sock: Socket, peer: Peer, tls: bool) -> None:
        """Opens a session, or tells that there is no room."""
        sessions = self.pump.sessions
        if sessions.full() or self._stopping:
            self.refuse(sock, tls)
            return
        try:
            self.pump.open(sock, peer, tls)
        except Exception:
            self.pump.log("Error", "General", "no session", address=peer.address, trace=traceback.format_exc())
            sock.close()
        self.most = max(self.most, len(sessions))
        if sessions.full():
            self._beat()  # the other workers should know at once

    def refuse(self, sock: Socket, tls: bool) -> None:
        """Tells a client that there is no room."""
        self.rejected += 1
        self.turn_away(sock, tls, self.pump.service.busy())

    def turn_away(self, sock: Socket, tls: bool, words: bytes) -> None:
        """Closes a new connection, with some words."""
        if not tls:
            try:
                send_some(sock, words)
            except OSError:
                pass
            sock.close()
        elif self.refusals < REFUSALS:
            self.refusals += 1
            work: Work = Refusal(self, sock, words)
            self.pump.commands.start(work)
        else:
            sock.close()

    def _on_come(self, session: Session) -> None:
        if self.admission is not None:
            self.admission.crowd.came(session)

    def _on_leave(self, session: Session) -> None:
        if self.admission is not None:
            self.admission.crowd.left(session)
        sessions = self.pump.sessions
        if len(sessions) == sessions.size - 1 and self._state == boards.READY:
            self._beat()

    # Life

    def run(self) -> None:
        """Serves until told to end, or drained."""
        for number, action in (
            (signal.SIGTERM, self.stop),
            (signal.SIGUSR1, self.drain),
            (signal.SIGHUP, self.reload),
        ):
            gevent.signal_handler(number, action)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal; the supervisor sees to it
        for listener in self._listeners:
            listener.start()
        self._state = boards.READY
        self._beat()
        self._timer.start()
        self._over.wait()
        self._timer.stop()
        if self._status is not None:
            self._status.close()

    def drain(self) -> None:
        """Takes no new clients; ends when the last session has ended by itself."""
        if self._state == boards.READY:
            self._close_listeners()
            self.pump.log("Notice", "General", "draining", sessions=len(self.pump.sessions))
            gevent.spawn(self._end_when_empty)

    def stop(self) -> None:
        """Says farewell to all sessions, and ends: when they are gone or the time is up."""
        if not self._stopping:
            self._stopping = True
            self._close_listeners()
            self.pump.log("Notice", "General", "stopping", sessions=len(self.pump.sessions))
            gevent.spawn(self._say_farewell, self._stop_seconds())

    def reload(self) -> None:
        """Takes new settings and certificates."""
        sessions, threads = self._on_reload()
        self.pump.sessions.resize(sessions)
        self.pump.commands.resize(threads)
        self._beat()

    def sessions(self) -> list[Session]:
        """The sessions there are."""
        return list(self.pump.sessions.greenlets)

    def _close_listeners(self) -> None:
        self._state = boards.DRAINING
        for listener in self._listeners:
            if not listener.closed:
                listener.close()
        self._beat()

    def _end_when_empty(self) -> None:
        self.pump.sessions.join()
        while self.doubts or len(self.pump.sessions):  # who was at the door already is still let in
            gevent.sleep(DOUBT_S)
            self.pump.sessions.join()
        self._over.set()

    def _say_farewell(self, seconds: float) -> None:
        with gevent.Timeout(seconds, False):
            for session in self.sessions():
                session.end(GOODBYE)
                if self.pump.turns.due():
                    self.pump.turns.take()
            self.pump.sessions.join()
        left = self.sessions()
        if left:
            self.pump.log("Warning", "General", "sessions cut off at the stop", sessions=len(left))
            for session in left:
                session.kill(GOODBYE)
            self.pump.sessions.join(timeout=1)
        self._over.set()

    # Every second

    def _beat(self) -> None:
        sessions = self.pump.sessions
        self._board.beat(len(sessions), sessions.size, self._state)
        if self._state == boards.READY and not self.shut():
            for listener in self._listeners:
                listener.resume()
        if self._status is not None:
            self._status.tell(self.facts())

    def facts(self) -> dict[str, Any]:
        """What is told to the supervisor."""
        sessions = self.pump.sessions
        full = self._state == boards.READY and sessions.full()
        return {
            "state": "full" if full else ("ready" if self._state == boards.READY else "draining"),
            "pid": os.getpid(),
            "service": self._service,
            "index": self._index,
            "sessions": len(sessions),
            "max_sessions": sessions.size,
            "threads": self.pump.commands.busy,
            "max_threads": self.pump.commands.size,
            "rejected": self.rejected,
            **({} if self.admission is None else self.admission.counters()),
            **self._counters(),
        }
