"""How many sessions each user and each address has, over all workers of a service, and who makes room for a new one.

The board has a count for each hash of a user or address in each worker, so what is below its maximum costs a few
memory reads.  Only at the maximum are the sessions themselves looked at, here and, over their inquiry sockets, in the
other workers that have counted some.

Invariants: a session is counted from when it comes until its conversation is closed.  Nobody is retired in the middle
of a command.  Two sessions that come at once may each retire one; more than may stay only while a worker does not
answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from gevent.event import Event
from gevent.lock import BoundedSemaphore

from nmsd.config.admission import AdmissionSettings
from nmsd.config.setting import Config
from nmsd.server.board import ADDRESSES, USERS, Board, crowd_slot
from nmsd.server.pool import SessionPool
from nmsd.server.session import DEAD, Session, Standing
from nmsd.server.siblings import Siblings
from nmsd.wire.protocol import Log

NEWER_OF_USER: Final = "A newer session of yours takes the place of this one"
NEWER_OF_ADDRESS: Final = "A newer session from your address takes the place of this one"

_GONE_S: Final = 5.0  # for a session that was told to go; its place is free a moment later
_TRIES: Final = 3


@dataclass(frozen=True)
class _Other:
    """A session, here or (`pid` not 0) in another worker; `standing` None: it has to go on."""

    standing: Standing | None
    session: Session | None = None
    pid: int = 0


class Crowd:
    """The sessions of one worker among those of its siblings.  `clock` gives the system's monotonic seconds."""

    def __init__(
        self,
        board: Board,
        sessions: SessionPool,
        siblings: Siblings,
        config: Config,
        settings: AdmissionSettings,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self.retired = 0
        self._board = board
        self._sessions = sessions
        self._siblings = siblings
        self._config = config
        self._settings = settings
        self._log = log
        self._clock = clock
        self._workers: list[tuple[int, int]] = []
        self._generation = -1
        self._leaving: dict[Session, Event] = {}
        self._locks: dict[str, BoundedSemaphore] = {}
        self._holders: Counter[str] = Counter()

    # Counting

    def came(self, session: Session) -> None:
        """A session is there."""
        if session.peer.address:
            self._board.count(ADDRESSES, crowd_slot(session.peer.address), 1)

    def left(self, session: Session) -> None:
        """A session is no more."""
        if session.peer.address:
            self._board.count(ADDRESSES, crowd_slot(session.peer.address), -1)
        self._strike_off(session)
        event = self._leaving.pop(session, None)
        if event is not None:
            event.set()

    def _strike_off(self, session: Session) -> None:
        if session.enrolled:
            self._board.count(USERS, crowd_slot(session.enrolled), -1)
            session.enrolled = ""

    def _total(self, table: int, slot: int) -> int:
        counted = self._board.counted
        total = 0
        for number, _ in self._peers():
            total += counted(number, table, slot)
        return total

    def _peers(self) -> list[tuple[int, int]]:
        """(row, pid) of the service's workers, this one's too."""
        generation = self._board.generation
        if generation != self._generation:
            self._workers = [(row.number, row.pid) for row in self._board.workers(self._settings.name)]
            self._generation = generation
        return self._workers

    # Making room

    def is_full(self, address: str) -> bool:
        """Whether a new session from the address has to wait for room to be made."""
        limit = self._config[self._settings.per_address]
        return bool(limit and address) and self._total(ADDRESSES, crowd_slot(address)) >= limit

    @contextmanager
    def room_for(self, address: str) -> Iterator[bool]:
        """Whether there is room for one more from the address, after others have been retired; until the context ends
        nobody else takes it.  Blocks the greenlet."""
        limit = self._config[self._settings.per_address]
        if not limit or not address:
            yield True
            return
        with self._lock(f"address {address}"):
            yield self._make_room(ADDRESSES, address, limit - 1, None)

    def enrol(self, session: Session, account: str) -> bool:
        """Counts the session as the account's, and retires others for it; False if there is no room and none can be
        made.  Blocks the greenlet."""
        self._strike_off(session)
        session.enrolled = account
        slot = crowd_slot(account)
        self._board.count(USERS, slot, 1)
        limit = self._config[self._settings.per_user]
        if not limit or self._total(USERS, slot) <= limit:
            return True
        with self._lock(f"user {account}"):
            if self._make_room(USERS, account, limit - 1, session):
                return True
        self._strike_off(session)
        return False

    def _make_room(self, table: int, name: str, most: int, newcomer: Session | None) -> bool:
        """Retires sessions until there are no more than `most` besides the newcomer."""
        for _ in range(_TRIES):
            there = [*self._here(table, name, newcomer), *self._elsewhere(table, name)]
            excess = len(there) - most
            if excess <= 0:
                return True
            found = sorted((each for each in there if self._may_go(each.standing)), key=_order)
            if len(found) < excess:
                return False
            gone = [self._retire_one(table, name, each, newcomer) for each in found[:excess]]
            if all(gone):
                return True
        return False

    def _here(self, table: int, name: str, newcomer: Session | None) -> Iterator[_Other]:
        for session in self._sessions.greenlets:
            known = session.enrolled if table == USERS else session.peer.address
            if known == name and session is not newcomer and not session.closed:
                yield _Other(session.standing(), session)

    def _elsewhere(self, table: int, name: str) -> Iterator[_Other]:
        slot = crowd_slot(name)
        for number, pid in self._peers():
            if number == self._board.number or not self._board.counted(number, table, slot):
                continue
            for facts in self._siblings.ask(pid, {"command": "crowd", "table": table, "name": name}):
                standing = facts.get("standing")
                yield _Other(Standing(*standing) if standing else None, pid=pid)

    def _may_go(self, standing: Standing | None) -> bool:
        if standing is None:
            return False
        quiet = self._config[self._settings.retire_idle]
        return standing.kind == DEAD or self._clock() - standing.seen >= quiet

    def _retire_one(self, table: int, name: str, other: _Other, newcomer: Session | None) -> bool:
        by = newcomer.id if newcomer else ""
        if other.session is not None:
            return self._retire(other.session, table, by)
        assert other.standing is not None
        message = {"command": "retire", "table": table, "id": other.standing.id, "by": by}
        return any(True for _ in self._siblings.ask(other.pid, message))

    def _retire(self, session: Session, table: int, by: str) -> bool:
        """Ends a session of this worker, and waits until its place is free; False if it has to go on after all."""
        standing = session.standing()
        if standing is None or not self._may_go(standing):
            return False
        self.retired += 1
        self._log(
            "Notice", "Account", "retired for a newer session",
            session=session.id, user=session.conversation.user, address=session.peer.address,
            idle_s=round(self._clock() - standing.seen), dead=standing.kind == DEAD, by=by,
        )  # fmt: skip
        event = self._leaving.setdefault(session, Event())
        session.end(NEWER_OF_USER if table == USERS else NEWER_OF_ADDRESS)
        event.wait(_GONE_S)
        return session.closed

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        lock = self._locks.setdefault(name, BoundedSemaphore(1))
        self._holders[name] += 1
        try:
            with lock:
                yield
        finally:
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name], self._locks[name]

    # What siblings ask (server.inquiry)

    def answers(self) -> dict[str, Callable[[dict[str, Any]], Iterator[dict[str, Any]]]]:
        """The inquiries it answers."""
        return {"crowd": self._tell, "retire": self._oblige}

    def _tell(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for other in list(self._here(int(request["table"]), str(request["name"]), None)):
            yield {"standing": other.standing}

    def _oblige(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for session in list(self._sessions.greenlets):
            if session.id == request.get("id"):
                if self._retire(session, int(request["table"]), str(request.get("by", ""))):
                    yield {"id": session.id}
                return


def _order(other: _Other) -> Standing:
    assert other.standing is not None
    return other.standing
