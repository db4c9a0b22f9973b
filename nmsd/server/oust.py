"""Ends the sessions of users whom the directory no longer lets in, or who have another password, as soon as it tells.

A directory that tells of its changes says which entry changed, or that any may have; of one that only counts them
(`generation`) it is looked every second.  One that cannot be asked ends no session, and is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

import gevent
from gevent.event import Event
from gevent.pool import Pool

from nmsd.directory.users import admit
from nmsd.model.errors import DirectoryError, LoginRefused

if TYPE_CHECKING:
    from nmsd.directory.api import Standing, User
    from nmsd.server.gate import DirectoryGate
    from nmsd.wire.protocol import Log, Peer

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


class Guest(Protocol):
    """A session; of one that nobody has logged in to yet `account` is ''."""

    @property
    def id(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def peer(self) -> Peer: ...

    @property
    def closed(self) -> bool: ...

    def end(self, reason: str) -> None: ...


class Ousting:
    """For one worker, whose sessions it is told of by `attach`.  `clock` gives seconds that only go forward."""

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
        self._guests: Callable[[], Iterable[Guest]] = tuple
        self._service = ""
        self._pool: Any = Pool(_AT_ONCE)
        self._due: dict[str, bool] = {}
        self._later: dict[str, float] = {}
        self._work = Event()

    def attach(self, sessions: Callable[[], Iterable[Guest]], service: str) -> None:
        """From now on sessions end.  `service` is the name that access rules know it by, without TLS."""
        self._guests, self._service = sessions, service
        gevent.spawn(self._run)

    def entered(self, user: User) -> None:
        """Somebody logged in."""
        if user.dn not in self._later and not self._directory.is_known_well(user.dn):
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
        ripe: list[str] = []
        while self._later:
            dn, due = next(iter(self._later.items()))  # the first is due first, or not much later
            if due > now:
                break
            del self._later[dn]
            ripe.append(dn)
        if ripe:
            present = self._present()  # once for all of them: there may be thousands of both
            for dn in ripe:
                if self._gate.account_of(dn) in present:
                    self._look_at(dn, False)

    def _present(self) -> set[str]:
        """The accounts that have sessions."""
        return {session.account for session in self._guests() if session.account and not session.closed}

    def _anything(self) -> None:
        accounts = self._present()
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

    def _reason(self, standing: Standing, session: Guest) -> str:
        """Why the session may not go on; '' if it may."""
        if standing.user is None:
            return _GONE
        service = self._service + ("s" if session.peer.tls else "")
        try:
            admit(standing.user, service, session.peer.address)
        except LoginRefused as refused:
            return str(refused)
        return _NEW_PASSWORD if standing.has_new_password else ""

    def _has_session(self, account: str) -> bool:
        return bool(account) and any(self._sessions(account))

    def _sessions(self, account: str) -> list[Guest]:
        return [session for session in self._guests() if not session.closed and session.account == account]
