"""What a running worker tells of its sessions and counters, and the ending of sessions (supervisor.inquiry asks).

A request is one JSON object on a line, on the worker's socket INSTANCE/run/workers/PID.sock; the answer is one object a
line, the last of them {"ok": …}.  Nothing is kept for this: what is told is looked up when it is asked for, in slices
that let clients go first.

Security: the directory of the sockets is open to the server's user and root only.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gevent import Timeout
from gevent import socket as sockets
from gevent.server import StreamServer

from nmsd.server.announce import SocketDirectory
from nmsd.server.board import Board
from nmsd.server.session import Session
from nmsd.server.worker import Worker

KICKED: Final = "Disconnected by the administrator"

_LONGEST_REQUEST: Final = 1 << 16
_PATIENCE_S: Final = 10.0
_CLIENTS: Final = 8  # asked for at a time; more wait
_GATHER_BYTES: Final = 1 << 16

Answer = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
"""What answers an inquiry: gives the facts asked for, one after the other."""


class Inquiry:
    """Answers for one worker.  `tally` gives how its commands ended, by name and outcome; `more` are further inquiries
    that it answers."""

    def __init__(
        self,
        worker: Worker,
        board: Board,
        directory: SocketDirectory,
        pid: int,
        tally: Callable[[], dict[str, dict[str, int]]],
        figures: Callable[[], dict[str, Any]],
        more: Mapping[str, Answer] | None = None,
    ) -> None:
        self._worker = worker
        self._directory = directory
        self._pid = pid
        self._tally = tally
        self._figures = figures
        self._commands = {"sessions": self._sessions, "counters": self._counters, "kick": self._kick, **(more or {})}
        alive = {row.pid for row in board.rows()} - {pid}
        for stale in directory.pids():
            if stale not in alive:
                directory.remove(stale)
        listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        listener.bind(directory.address(pid))
        listener.listen(16)
        self._server = StreamServer(listener, self._serve, spawn=_CLIENTS)

    def start(self) -> None:
        """From now on it answers."""
        self._server.start()

    def close(self) -> None:
        """Answers no more."""
        self._server.stop(timeout=0)
        self._directory.remove(self._pid)
        self._directory.close()

    def _serve(self, client: Any, address: Any) -> None:
        try:
            with client, Timeout(_PATIENCE_S, OSError("asked too slowly")):
                request = _read_request(client)
                self._answer(client, request)
        except OSError:
            pass  # whoever asked has gone
        except Exception:
            self._worker.pump.log("Error", "General", "inquiry failed", trace=traceback.format_exc())

    def _answer(self, client: Any, request: dict[str, Any]) -> None:
        command = self._commands.get(str(request.get("command")))
        if command is None:
            client.sendall(_line({"ok": False, "error": "no such inquiry"}))
            return
        turns = self._worker.pump.turns
        waiting = b""
        for facts in command(request):
            waiting += _line(facts)
            if len(waiting) >= _GATHER_BYTES:
                client.sendall(waiting)
                waiting = b""
            if turns.due():
                turns.take()
        client.sendall(waiting + _line({"ok": True}))

    def _sessions(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        now = self._worker.pump.clock()
        service = self._worker.pump.service.name
        for session in self._chosen(request):
            yield session_facts(session, service, now)

    def _counters(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        pump, figures = self._worker.pump, self._figures()
        yield {
            **self._worker.facts(),
            "most": self._worker.most,
            "connections": pump.opened(),
            "waiting": pump.commands.waiting(),
            **self._sums(),
            "commands": self._tally(),
            **figures,
            "latency": {"command": pump.latency.read(), **figures.get("latency", {})},
        }

    def _sums(self) -> dict[str, int]:
        """What a look at all sessions tells: how many are idle, how many in IDLE; and the bytes of all ever since."""
        pump = self._worker.pump
        idle = watching = 0
        received, sent = pump.received, pump.sent
        for session in self._worker.sessions():
            if session.closed:
                continue
            idle += session.parked
            watching += bool(session.conversation.account)
            received += session.received
            sent += session.sent
        return {"idle": idle, "watching": watching, "received": received, "sent": sent}

    def _kick(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        # Without a word on which, none is meant: an empty list would otherwise be all.
        if not request.get("ids") and not request.get("user"):
            return
        for session in self._chosen(request):
            self._worker.pump.log(
                "Notice", "Account", "disconnected by the administrator",
                session=session.id, user=session.conversation.user, by=request.get("by", ""),
            )  # fmt: skip
            if request.get("now"):
                session.kill(KICKED)
            else:
                session.end(KICKED)
            yield {"id": session.id}

    def _chosen(self, request: dict[str, Any]) -> Iterator[Session]:
        """The sessions with one of the ids, and of the user, that are asked for."""
        ids, user = request.get("ids"), str(request.get("user") or "").lower()
        for session in self._worker.sessions():
            if session.closed or (ids and session.id not in ids):
                continue
            if user and session.conversation.user.lower() != user:
                continue
            yield session


def session_facts(session: Session, service: str, now: float) -> dict[str, Any]:
    """One session; `now` is of the pump's clock, times are in seconds."""
    conversation, peer = session.conversation, session.peer
    return {
        "id": session.id,
        "service": service,
        "user": conversation.user,
        "address": peer.address or ("local" if peer.local else ""),
        "port": peer.port,
        "tls": peer.tls,
        "cipher_bits": peer.cipher_bits,
        "state": conversation.state,
        "working": not session.parked,
        "idle": round(max(0.0, now - session.seen), 1),
        "age": round(max(0.0, now - session.opened), 1),
        "received": session.received,
        "sent": session.sent,
    }


def _read_request(client: Any) -> dict[str, Any]:
    data = b""
    while b"\n" not in data:
        more = client.recv(4096)
        if not more or len(data) > _LONGEST_REQUEST:
            raise OSError("no request")
        data += more
    try:
        request = json.loads(data.partition(b"\n")[0])
    except ValueError:
        raise OSError("not a request") from None
    return request if isinstance(request, dict) else {}


def _line(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n"
