"""Ends the sessions of users whom the directory no longer lets in, or who have another password, as soon as it tells.

A directory that tells of its changes says which entry changed, or that any may have; of one that only counts them
(`generation`) it is looked every second.  One that cannot be asked ends no session, and is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import gevent
from gevent.event import Event
from gevent.pool import Pool

from nmsd.directory.users import admit
from nmsd.model.errors import DirectoryError, LoginRefused
from nmsd.server.session import Session

if TYPE_CHECKING:
    from nmsd.directory.api import Standing, User
    from nmsd.server.gate import DirectoryGate
    from nmsd.server.worker import Worker
    from nmsd.wire.protocol import Log

_AT_ONCE: Final = 4  # entries looked at
_SETTLED_S: Final = 1.0  # after a login: most sessions that are over by then need no look
_AGAIN_S: Final = 5.0
_GONE: Final = "This account is gone"
_NEW_PASSWORD: Final = "The password was changed"


class Watched(Protocol):
    """What a directory back end tells of users in sessions; see ldap.LdapDirectory."""

    def is_known_well(self, dn: str) -> bool: ...

    def nobody_cares(self, dn: str) -> None: ...

    def only_these_count(self, dns: set[str]) -> None: ...

    def look_again(self, account: str, dn: str, pushed: bool) -> Standing: ...


class Ousting:
    """For one worker, which it is told of by `attach`.  `clock` gives seconds that only go forward."""

    def __init__(
        self, directory: Any, gate: DirectoryGate, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory: Watched = directory
        self._gate = gate
        self._log = log
        self._clock = clock
        self._generation: Callable[[], int] = lambda: getattr(directory, "generation", 0)
        self._is_told = hasattr(directory, "start")
        self._last = self._generation()
        self._worker: Worker | None = None
        self._pool: Any = Pool(_AT_ONCE)
        self._due: dict[str, bool] = {}
        self._later: dict[str, float] = {}
        self._work = Event()

    def attach(self, worker: Worker) -> None:
        """From now on sessions end."""
        self._worker = worker
        gevent.spawn(self._run)

    def entered(self, user: User) -> None:
        """Somebody logged in."""
        if self._is_told and user.dn not in self._later and not self._directory.is_known_well(user.dn):
            self._later[user.dn] = self._clock() + _SETTLED_S

    def changed(self, dn: str) -> None:
        """An entry changed, or with '' any may have."""
        if not dn:
            self._anything()
        elif self._has_session(self._gate.account_of(dn)):
            self._look_at(dn, True)
        else:
            self._directory.nobody_cares(dn)

    def tick(self) -> None:
        """Every second."""
        if not self._is_told:
            self._work.set()  # reading a file that has changed waits, and who waits must not be the hub
        now = self._clock()
        while self._later:
            dn, due = next(iter(self._later.items()))  # the first is due first, or not much later
            if due > now:
                break
            del self._later[dn]
            if self._has_session(self._gate.account_of(dn)):
                self._look_at(dn, False)

    def _anything(self) -> None:
        sessions = () if self._worker is None else self._worker.sessions()
        accounts = {session.conversation.user for session in sessions if not session.closed}
        mine = [dn for dn, account in self._gate.entries() if account in accounts]
        self._directory.only_these_count(set(mine))
        for dn in mine:
            self._look_at(dn, False)

    def _look_at(self, dn: str, pushed: bool) -> None:
        self._due[dn] = self._due.get(dn, False) or pushed
        self._work.set()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            if not self._is_told:
                last, self._last = self._last, self._generation()
                if last != self._last:
                    self._anything()
            while self._due:
                dn = next(iter(self._due))
                self._pool.spawn(self._look, dn, self._due.pop(dn))

    def _look(self, dn: str, pushed: bool) -> None:
        account = self._gate.account_of(dn)
        sessions = self._sessions(account)  # those that begin while we look are let in by what holds now
        if not sessions:
            return
        try:
            standing = self._directory.look_again(account, dn, pushed)
        except DirectoryError:
            self._later[dn] = self._clock() + _AGAIN_S
            return
        if standing.user is not None:
            self._gate.know(standing.user)  # by its new name, if it has one
        for session in sessions:
            reason = self._reason(standing, session)
            if reason and not session.closed:
                self._log("Notice", "Account", f"disconnected: {reason}", session=session.id, user=account)
                session.end(reason)

    def _reason(self, standing: Standing, session: Session) -> str:
        """Why the session may not go on; '' if it may."""
        if standing.user is None:
            return _GONE
        assert self._worker is not None
        service = self._worker.pump.service.name + ("s" if session.peer.tls else "")
        try:
            admit(standing.user, service, session.peer.address)
        except LoginRefused as refused:
            return str(refused)
        return _NEW_PASSWORD if standing.has_new_password else ""

    def _has_session(self, account: str) -> bool:
        return bool(account) and self._worker is not None and any(self._sessions(account))

    def _sessions(self, account: str) -> list[Session]:
        assert self._worker is not None
        return [
            session
            for session in self._worker.sessions()
            if not session.closed and session.conversation.user == account
        ]
