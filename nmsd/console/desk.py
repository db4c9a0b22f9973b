"""What the pages work with: settings and their file, the supervisor, the workers, the directory, the way in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from nmsd.config.edit import change_file, read_bytes, take_back, version_of
from nmsd.config.file import known_settings
from nmsd.config.load import Loaded, read
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.setting import Config, Section, Setting
from nmsd.console.back import Back
from nmsd.console.logouts import Logouts
from nmsd.console.samples import Samples
from nmsd.console.tokens import Tokens
from nmsd.console.visits import Visits
from nmsd.directory.api import User
from nmsd.directory.step import Step
from nmsd.model.errors import DirectoryError, NmsdError
from nmsd.model.message import Quota
from nmsd.server.admins import is_admin
from nmsd.server.settings import STORE_ADMIN_GROUP, STORE_ADMINS
from nmsd.supervisor.control import CONSOLE, request
from nmsd.supervisor.inquiry import ask_worker
from nmsd.wire.protocol import Log

_RELOAD_S: Final = 120.0
_PATIENCE_S: Final = 5.0  # with a worker that is asked; one that is well answers in milliseconds


@dataclass(frozen=True)
class Told:
    """A worker, as SERVICE/INDEX, what the supervisor knows of it, and its answers."""

    name: str
    status: dict[str, Any]
    answers: list[dict[str, Any]]


@dataclass(frozen=True)
class Desk:
    """`config` holds the values in force in this process; `secret` signs cookies.

    `offload` runs what waits for a disk or for another process's lock away from the event loop.
    """

    config: Config
    sections: Sequence[Section]
    back: Back
    log: Log
    secret: bytes
    logouts: Logouts
    visits: Visits
    tokens: Tokens
    samples: Samples
    offload: Callable[[Callable[[], Any]], Any] = lambda work: work()

    @property
    def instance(self) -> str:
        """The instance's directory."""
        return self.config.instance

    # Who may come in

    def log_in(self, login: str, password: str, address: str) -> User | None:
        """The administrator, or None for others.  Raises BadCredentials, LoginRefused, DirectoryUnavailable."""
        user = self.back.gate.login("console", login, password, address)
        if self.is_admin(user.account, user.uid, login):
            return user
        self.log("Notice", "Account", f"badlogin: [{address}] console {login} is not in {STORE_ADMINS.name}")
        return None

    def is_admin(self, *names: str) -> bool:
        """Whether the user with these names is one of store.admins, or of the group of administrators."""
        if not {name.lower() for name in self.config[STORE_ADMINS]}.isdisjoint(name.lower() for name in names):
            return True
        if not names or not self.config[STORE_ADMIN_GROUP]:
            return False
        try:
            user = self.back.directory.find(names[0])
            return user is not None and is_admin(self.config, self.back.directory, user)
        except DirectoryError:
            return False

    # Settings

    def settings(self) -> dict[str, Setting[Any]]:
        """All settings by name."""
        return known_settings(self.sections)

    def read(self) -> Loaded:
        """The configuration as the file says now."""
        return read(self.instance, self.sections, environ=os.environ)

    def version(self) -> str:
        """Which version of the file this is, for `save`."""
        return version_of(read_bytes(self.instance))

    def save(self, changes: Mapping[str, str | None], version: str, who: str) -> list[str]:
        """Changes the file and reloads the server; gives the names of settings that wait for a restart.

        When the server refuses, the file is put back as it was.  Raises FileChanged, ConfigError, NmsdError.
        """
        old, new = self.offload(lambda: change_file(self.instance, self.read, changes, version))
        try:
            answer = request(self.instance, {"command": "reload"}, _RELOAD_S, CONSOLE)
            _raise_refusal(answer)
        except (ConfigError, NmsdError):
            self.offload(lambda: take_back(self.instance, old, new))
            raise
        self.log("Notice", "General", "settings changed in the console", by=who, settings=",".join(changes))
        return list(answer.get("restart_needed", ()))

    # What runs

    def status(self) -> dict[str, Any]:
        """What the supervisor says.  Raises NmsdError."""
        return request(self.instance, {"command": "status"}, name=CONSOLE)

    def ask(self, message: dict[str, Any]) -> tuple[list[Told], list[str]]:
        """What the workers of mail services answer, and which, as SERVICE/INDEX, do not in time: one that hangs hides
        no other.  Raises NmsdError."""
        told, silent = [], []
        for service in self.status()["services"]:
            for worker in service["workers"]:
                name = f"{service['name']}/{worker['index']}"
                try:
                    told.append(Told(name, worker, ask_worker(self.instance, worker["pid"], message, _PATIENCE_S)))
                except NmsdError:
                    silent.append(name)
        return told, silent

    def sessions(self) -> tuple[list[dict[str, Any]], list[str]]:
        """All sessions, and the workers that did not tell theirs.  Each session has `worker` (SERVICE/INDEX) and
        `share`: the bytes of the worker's resident memory that come to each of its sessions.  Raises NmsdError."""
        told, silent = self.ask({"command": "sessions"})
        found = []
        for worker in told:
            share = int(worker.status.get("memory") or 0) // max(1, len(worker.answers))
            found += [{**session, "worker": worker.name, "share": share} for session in worker.answers]
        return found, silent

    def counters(self) -> list[dict[str, Any]]:
        """What the workers that answer have counted.  Raises NmsdError."""
        return [answer for worker in self.ask({"command": "counters"})[0] for answer in worker.answers]

    def sample(self, now: float) -> None:
        """Takes the sample of the minute, if it is due.  Raises NmsdError."""
        if not self.samples.is_due(now):
            return
        told, _ = self.ask({"command": "counters"})
        uptimes = {int(worker.status["pid"]): float(worker.status["uptime"]) for worker in told}
        self.samples.take([answer for worker in told for answer in worker.answers], now, uptimes)

    def switch(self, command: str, service: str, who: str) -> None:
        """Starts, stops or restarts a mail service.  Raises ConfigError, NmsdError."""
        answer = request(self.instance, {"command": command, "service": service}, _RELOAD_S, CONSOLE)
        _raise_refusal(answer)
        self.log("Notice", "General", f"{command} of a service in the console", by=who, service=service)

    def reload(self, who: str) -> list[str]:
        """Has the server take its settings again; gives the names of those that wait for a restart.  Raises
        ConfigError, NmsdError."""
        answer = request(self.instance, {"command": "reload"}, _RELOAD_S, CONSOLE)
        _raise_refusal(answer)
        self.log("Notice", "General", "reload in the console", by=who)
        return list(answer.get("restart_needed", ()))

    def kick(self, session: str, who: str) -> bool:
        """Ends a session; whether there was one.  Raises NmsdError."""
        told, _ = self.ask({"command": "kick", "ids": [session], "by": who})
        return any(worker.answers for worker in told)

    # Users and their mail

    def users(self, words: str, most: int) -> list[User]:
        """Users with `words` in one of their names, at most so many.  Raises DirectoryError."""
        wanted = words.lower()
        found = (
            user
            for user in self.back.directory.accounts()
            if not wanted or any(wanted in name.lower() for name in (user.uid, user.account, user.name, *user.aliases))
        )
        return list(islice(found, most))

    def accounts(self, words: str) -> list[str]:
        """The names of the store's accounts with `words` in them.  Raises StoreError."""
        wanted = words.lower()
        return [name for name in self.offload(lambda: list(self.back.store.accounts())) if wanted in name.lower()]

    def quota_of(self, account: str) -> Quota | None:
        """What an account may hold; None if the directory does not know it, or does not answer."""
        try:
            user = self.back.directory.find_recipient(account)
        except DirectoryError:
            return None
        return user.quota if user is not None and user.account == account else None

    def explain(self, login: str, service: str, address: str) -> list[Step]:
        """The way of a login.  Raises NmsdError."""
        work = self.back.explain(login, service, address)
        # The embedded directory is read anew for it, which may take long; LDAP is waited for by the event loop.
        return list(work) if self.back.users is None else list(self.offload(lambda: list(work)))

    def links(self) -> list[dict[str, Any]]:
        """The LDAP servers as each worker knows them: `worker`, `server`, `down`, `used`, `idle`.  Raises NmsdError."""
        found = [{"worker": "console", **state} for state in self.back.links()]
        for worker in self.ask({"command": "counters"})[0]:
            states = (state for answer in worker.answers for state in answer.get("directory", ()))
            found += [{"worker": worker.name, **state} for state in states]
        return found

    def flush(self, who: str) -> None:
        """Has all workers forget what they learnt from the directory."""
        self.back.flush()
        self.log("Notice", "LDAP", "what was learnt from the directory is forgotten, asked for in the console", by=who)


def _raise_refusal(answer: dict[str, Any]) -> None:
    if answer.get("ok"):
        return
    if answer.get("problems"):
        raise ConfigError([Problem(**problem) for problem in answer["problems"]])
    services = answer.get("services") or {}
    if services:
        raise ConfigError([Problem(what, "the service's log says more", name) for name, what in services.items()])
    raise NmsdError(str(answer.get("error", "the server refused")))
