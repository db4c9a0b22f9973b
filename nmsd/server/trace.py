"""Protocol traces: what a user's clients and the server say, written to INSTANCE/log/trace while somebody looks for a
fault.  They are switched on and off in running workers (supervisor.inquiry asks), and end by themselves.

Security: a trace shows mail, so the files are for the server's user alone and are deleted in time; secrets are blotted
out before anything is written (server.scripts).  Who traces is told to the log.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nmsd.config.setting import Config
from nmsd.server.commands import present_work
from nmsd.server.scripts import Script, open_script
from nmsd.server.session import Session
from nmsd.server.trace_settings import EXPIRY, MAX_SIZE, MAX_TIME
from nmsd.wire.protocol import Log

if TYPE_CHECKING:
    from nmsd.directory.api import User
    from nmsd.server.worker import Worker

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE_BYTES: Final = 4096  # what a file takes of the room at least, so that there are only so many
_FULL: Final = f"no more room ({MAX_SIZE.name})"
_SESSION_ID: Final = re.compile(r"[a-z]+\d+-[0-9a-f]+-[0-9a-f]+")


@dataclass
class Order:
    """What is to be traced: a user or one session; until when, by the pump's clock; how many bytes may be written, and
    how many of each message."""

    target: str
    until: float
    left: int
    keep: int
    traces: dict[str, Trace] = field(default_factory=dict)
    """Of the sessions it goes on in, by their id."""

    def fits(self, session: Session) -> bool:
        """Whether it means this session."""
        account = session.conversation.user.lower()
        wanted = self.target.lower()
        if not account or _SESSION_ID.fullmatch(self.target):
            return session.id == self.target
        return wanted in (account, account.partition("@")[0])


class Trace:
    """One session's.  Never raises: what cannot be written ends it."""

    def __init__(self, path: str, session: Session, script: Script, order: Order, clock: Callable[[], float]) -> None:
        self.path = path
        self._session = session
        self._script = script
        self._order = order
        self._clock = clock
        order.traces[session.id] = self
        session.trace = self
        order.left -= _FILE_BYTES
        peer = session.peer
        self._write(
            "-", [f"session {session.id} user {session.conversation.user or '-'} address {peer.address} tls {peer.tls}"]
        )

    def client(self, data: bytes, known: bool) -> None:
        """What the client says; `known`: it is logged in."""
        self._write("C", self._script.client(data, known))

    def server(self, data: bytes) -> None:
        """What the server says."""
        self._write("S", self._script.server(data))

    def end(self, reason: str) -> None:
        """Ends it."""
        if self._session.trace is self:
            self._write("-", ["end: " + reason])
            self._session.trace = None
            self._order.traces.pop(self._session.id, None)

    def _write(self, who: str, lines: Iterable[str]) -> None:
        now = time.time()
        head = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03d} {who}: "
        data = "".join(f"{head}{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        order = self._order
        if who != "-" and self._clock() >= order.until:
            self.end("time is up")
            return
        if len(data) > order.left and who != "-":
            order.left = 0
            self.end(_FULL)
            return
        order.left -= len(data)
        try:
            fd = os.open(self.path, _FLAGS, 0o600)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        except OSError:
            self._session.trace = None
            self._order.traces.pop(self._session.id, None)


class Tracing:
    """The traces of one worker, which it is told of by `attach`.  `clock` gives seconds that only go forward."""

    def __init__(self, config: Config, log: Log, clock: Callable[[], float]) -> None:
        self._config = config
        self._log = log
        self._clock = clock
        self._folder = os.path.join(config.instance, "log", "trace")
        self._orders: dict[str, Order] = {}
        self._worker: Worker | None = None

    def attach(self, worker: Worker) -> None:
        """From now on there are sessions."""
        self._worker = worker

    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Iterator[dict[str, Any]]]]:
        """The inquiries it answers."""
        return {"trace": self._answer}

    def entered(self, user: User) -> None:
        """A user was let in, in the session whose greenlet this is: it is traced from the answer to its login on."""
        work = present_work() if self._orders else None
        if not isinstance(work, Session) or work.trace is not None:
            return
        for order in self._orders.values():
            if order.target.lower() in (user.account, user.account.partition("@")[0]):
                self._begin(work, order, user.account, True)

    def tick(self) -> None:
        """Every second: ends what is over."""
        for order in list(self._orders.values()):
            if self._clock() >= order.until:
                self._end(order, "time is up")
            elif order.left <= 0:
                self._end(order, _FULL)
            elif _SESSION_ID.fullmatch(order.target) and not order.traces:
                self._end(order, "the session has ended")

    def _answer(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        action, target = request.get("action"), str(request.get("target") or "")
        if action == "on" and target:
            yield from self._switch_on(target, request)
        elif action == "off":
            for order in list(self._orders.values()):
                if target in ("", order.target):
                    yield self._told(order)
                    self._log("Notice", "General", "trace off", target=order.target, by=request.get("by", ""))
                    self._end(order, "switched off")
        else:
            for order in self._orders.values():
                yield self._told(order)

    def _switch_on(self, target: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        seconds = min(int(request.get("seconds", 600)), self._config[MAX_TIME])
        before = self._orders.pop(target, None)
        if before is not None:
            self._end(before, "switched on anew")
        keep = int(request.get("keep", 0))
        order = Order(target, self._clock() + seconds, self._config[MAX_SIZE], keep)
        found = [session for session in self._sessions() if order.fits(session)]
        if not found and _SESSION_ID.fullmatch(target):
            return
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._delete_old()
        except OSError as error:
            self._log("Error", "General", "no trace", target=target, error=error)
            return
        self._orders[target] = order
        self._log("Notice", "General", "trace on", target=target, seconds=seconds, by=request.get("by", ""))
        for session in found:
            if session.trace is None:
                self._begin(session, order, session.conversation.user, session.conversation.unfinished)
        yield self._told(order)

    def _begin(self, session: Session, order: Order, account: str, unfinished: bool) -> None:
        assert self._worker is not None
        name = f"{quote(account or 'nobody', safe='@.+-_=')[:200]}-{session.id}.log"
        script = open_script(self._worker.pump.service.name, order.keep, unfinished)
        Trace(os.path.join(self._folder, name), session, script, order, self._clock)

    def _end(self, order: Order, reason: str) -> None:
        self._orders.pop(order.target, None)
        for trace in list(order.traces.values()):
            trace.end(reason)

    def _told(self, order: Order) -> dict[str, Any]:
        return {
            "target": order.target,
            "seconds": round(max(0.0, order.until - self._clock())),
            "left": order.left,
            "sessions": {session: trace.path for session, trace in order.traces.items()},
        }

    def _sessions(self) -> list[Session]:
        return [] if self._worker is None else [each for each in self._worker.sessions() if not each.closed]

    def _delete_old(self) -> None:
        for entry in os.scandir(self._folder):
            if time.time() - entry.stat(follow_symlinks=False).st_mtime >= self._config[EXPIRY]:
                os.unlink(entry.path)
