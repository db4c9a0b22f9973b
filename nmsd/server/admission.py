"""Whether a client is let in: the access filters and the number of sessions, before the greeting and at the login.

The event loop is asked first and answers at once where it can; where a host name is wanted, or room must be made, a
greenlet decides, and meanwhile the client has neither session nor slot.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from nmsd.config.admission import AdmissionSettings
from nmsd.config.clients import Client, NameOf, Rule, Verdict, judge
from nmsd.config.setting import Config
from nmsd.directory.api import User
from nmsd.model.errors import LoginRefused
from nmsd.server.commands import present_work
from nmsd.server.crowd import Crowd
from nmsd.server.names import Names, NotKnownYet
from nmsd.server.session import Session
from nmsd.wire.protocol import Log, Peer

TOO_MANY: Final = "You have too many sessions, and all of them are busy"


class Answer(Enum):
    """What is known at once."""

    IN = "in"
    OUT = "out"
    WAIT = "wait"  # `decide`, in a greenlet, will say


class Admission:
    """One worker's.  `settings` are the service's, `crowd` counts its sessions."""

    def __init__(self, config: Config, settings: AdmissionSettings, names: Names, crowd: Crowd, log: Log) -> None:
        self.refused = 0
        self.crowd = crowd
        self._config = config
        self._settings = settings
        self._names = names
        self._log = log

    def look(self, peer: Peer, tls: bool) -> Answer:
        """The answer for a new connection; `tls`: it came to the port where TLS comes first.  Does not wait."""
        rules = self._rules()
        if rules:
            try:
                if not self._passes(rules, peer, tls, self._names.known):
                    return Answer.OUT
            except NotKnownYet:
                return Answer.WAIT
        return Answer.WAIT if self.crowd.is_full(peer.address) else Answer.IN

    def passes(self, peer: Peer, tls: bool) -> bool:
        """Whether the filters let a new connection in.  Blocks the greenlet."""
        return self._passes(self._rules(), peer, tls, self._names.find)

    def enter(self, user: User, login: str) -> None:
        """The last word on a login, in the greenlet of the session that logs in.  Raises LoginRefused."""
        session = present_work()
        if not isinstance(session, Session):
            return
        # Anybody could call himself what he likes there, and end the sessions of whose mail it is.
        known = {"anonymous"} if user.is_anonymous else {login}
        self._check_user(session, user, {*known, user.uid, user.account, *user.aliases})
        if user.is_anonymous:
            return
        # A maildrop has a lock of its own, and says better that it is in use.
        if not self.crowd.enrol(session, user.account) and not self._settings.exclusive:
            raise LoginRefused(TOO_MANY, "LIMIT")

    def name_of(self, address: str) -> str:
        """The host name of a client's address, for users' own rules.  Blocks the greenlet, for a bounded time."""
        return self._names.find(address)

    def counters(self) -> dict[str, int]:
        """How many clients were kept out, and sessions retired."""
        return {"kept_out": self.refused, "retired": self.crowd.retired}

    def _rules(self) -> tuple[Rule, ...]:
        return (*self._config[self._settings.allowed], *self._config[self._settings.not_allowed])

    def _passes(self, rules: tuple[Rule, ...], peer: Peer, tls: bool, name_of: NameOf) -> bool:
        verdict = judge(rules, self._service(tls), Client(peer.address, name_of, None), peer.local_address)
        if verdict.allowed is not False:
            return True
        self._note(verdict, peer, tls)
        return False

    def _check_user(self, session: Session, user: User, names: set[str]) -> None:
        rules = self._rules()
        if not any(rule.names_users() for rule in rules):
            return
        peer = session.peer
        client = Client(peer.address, self._names.find, frozenset(name.lower() for name in names))
        verdict = judge(rules, self._service(session.by_tls), client, peer.local_address)
        if not verdict.allowed:
            self._note(verdict, peer, session.by_tls, user.account)
            raise LoginRefused("This account may not use this service from there")

    def _service(self, tls: bool) -> str:
        return self._settings.name + ("s" if tls else "")

    def _note(self, verdict: Verdict, peer: Peer, tls: bool, user: str = "") -> None:
        self.refused += 1
        settings = self._settings
        if verdict.rule is None:
            told = f"none of {settings.allowed.name} matches"
        else:
            setting = settings.allowed if verdict.rule.allows else settings.not_allowed
            told = f"{setting.name}: {verdict.rule.text}"
        who = {"user": user} if user else {}
        service = self._service(tls)
        self._log("Notice", "Network", "client kept out", address=peer.address, service=service, **who, filter=told)
