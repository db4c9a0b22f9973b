"""Ends the sessions of users whom the directory no longer lets in, as soon as it says that their entry changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gevent.pool import Pool

from nmsd.directory.users import admit
from nmsd.model.errors import DirectoryError, LoginRefused
from nmsd.server.session import Session

if TYPE_CHECKING:
    from nmsd.directory.api import Directory, User
    from nmsd.server.gate import DirectoryGate
    from nmsd.server.worker import Worker
    from nmsd.wire.protocol import Log

_AT_ONCE: Final = 4  # entries looked at; more wait, and with them whoever tells of changes
_GONE: Final = "This account is gone"


class Ousting:
    """For one worker, which it is told of by `attach`.  A directory that cannot be asked ends no session."""

    def __init__(self, directory: Directory, gate: DirectoryGate, log: Log) -> None:
        self._directory = directory
        self._gate = gate
        self._log = log
        self._worker: Worker | None = None
        self._pool: Any = Pool(_AT_ONCE)

    def attach(self, worker: Worker) -> None:
        """From now on sessions end."""
        self._worker = worker

    def changed(self, dn: str) -> None:
        """An entry changed.  In a greenlet; waits when many do."""
        account = self._gate.account_of(dn)
        if account and self._worker is not None and any(self._sessions(account)):
            self._pool.spawn(self._look, account, dn)

    def _look(self, account: str, dn: str) -> None:
        try:
            user = self._directory.find(account)
        except DirectoryError:
            return
        if user is not None and user.dn.lower() != dn.lower():
            user = None
        for session in self._sessions(account):
            reason = self._reason(user, session)
            if reason:
                self._log("Notice", "Account", f"disconnected: {reason}", session=session.id, user=account)
                session.end(reason)

    def _reason(self, user: User | None, session: Session) -> str:
        """Why the session may not go on; '' if it may."""
        if user is None:
            return _GONE
        assert self._worker is not None
        service = self._worker.pump.service.name + ("s" if session.peer.tls else "")
        try:
            admit(user, service, session.peer.address)
        except LoginRefused as refused:
            return str(refused)
        return ""

    def _sessions(self, account: str) -> list[Session]:
        assert self._worker is not None
        return [
            session
            for session in self._worker.sessions()
            if not session.closed and session.conversation.user == account
        ]
