"""The way in (directory.api.Gate): authentication cache, throttling, the directory, access rules, the log.

Security: passwords are neither kept nor logged; the cache holds hashes under a key that never leaves the process.
Wrong passwords and unknown users look the same to the client, in words and in time.  Only failures are held back, never
a right password, so one bad client behind a shared address does not slow the others; how many may be held back at once
is bounded, and so is guessing over many connections.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from nmsd.config.setting import Config
from nmsd.directory.api import Directory, User
from nmsd.directory.users import admit
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, LoginRefused
from nmsd.server.settings import AUTH_CACHE_SIZE, AUTH_CACHE_TTL, BAD_LOGIN_WAITING, STORE_ADMINS
from nmsd.server.throttle import Throttle
from nmsd.store.api import Store
from nmsd.wire.protocol import Log

_MOST_ACCOUNTS: Final = 100_000  # whose entries' names are remembered, more than a worker has sessions


@dataclass(frozen=True)
class _Known:
    """A login that was right."""

    user: User
    until: float
    generation: int


class DirectoryGate:
    """The gate of one worker.

    `throttles` are of addresses and of logins; `clock` gives seconds that only go forward; `pause` holds the caller's
    greenlet up for so many seconds.  A directory with an attribute `generation`, a number that grows with its changes,
    has the cache forget at once: everybody, or those whose entry `changed_since(user, generation)` says.
    """

    def __init__(
        self,
        config: Config,
        directory: Directory,
        store: Store,
        throttles: tuple[Throttle, Throttle],
        log: Log,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self.logins = 0
        self.bad_logins = 0
        self._config = config
        self._directory = directory
        self._store = store
        self._addresses, self._logins = throttles
        self._log = log
        self._clock = clock
        self._pause = pause
        self._key = os.urandom(32)
        self._known: dict[bytes, _Known] = {}
        self._waiting: Counter[str] = Counter()
        self._accounts: dict[str, str] = {}

    def login(self, service: str, login: str, password: str, address: str, authorize: str = "") -> User:
        """As the contract says."""
        try:
            user = self._authenticate(login, password, address)
            if authorize and authorize != login:
                user = self._act_as(user, login, authorize)
            admit(user, service, address)
        except (BadCredentials, LoginRefused) as error:
            self._log_refusal("Notice", service, login, address, error)
            raise
        except DirectoryUnavailable as error:
            # The directory tells once that it is down; what it tells is not for clients.
            self._log_refusal("Information", service, login, address, error)
            raise DirectoryUnavailable("The directory is not available, try again later") from None
        account = self._store.account(user.account)
        if not account.exists():
            account.ensure()
        self._accounts.pop(user.dn.lower(), None)
        while len(self._accounts) >= _MOST_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]  # the one that logged in least lately
        self._accounts[user.dn.lower()] = user.account
        self.logins += 1
        self._log("Information", "Account", f"login: [{address}] plaintext {login}", service=service, user=user.account)
        return user

    def account_of(self, dn: str) -> str:
        """The account of the user with this entry, if he logged in not long ago; else ''."""
        return self._accounts.get(dn.lower(), "")

    def _log_refusal(self, level: str, service: str, login: str, address: str, error: Exception) -> None:
        self.bad_logins += 1
        self._log(level, "Account", f"badlogin: [{address}] plaintext {login} {error}", service=service)

    def _authenticate(self, login: str, password: str, address: str) -> User:
        digest = blake2b(f"{login}\0{password}".encode("utf-8", "surrogateescape"), key=self._key, digest_size=16)
        key = digest.digest()
        generation = self._generation()
        known = self._known.get(key)
        if known is not None:
            if self._clock() < known.until and not self._changed_since(known, generation):
                return known.user
            del self._known[key]
        name = login.lower()
        held = (f"address {address}", f"login {name}")
        limit = self._config[BAD_LOGIN_WAITING]
        if any(self._waiting[who] >= limit for who in held):
            raise LoginRefused("Too many failed logins, try again later", "UNAVAILABLE")
        try:
            user = self._directory.authenticate(login, password)
        except (BadCredentials, AmbiguousEntry) as error:
            seconds = max(
                throttle.delay(throttle.failed(who))
                for throttle, who in ((self._addresses, address), (self._logins, name))
            )
            if seconds:
                with self._held_back(held):
                    self._pause(seconds)
            if isinstance(error, AmbiguousEntry):
                raise BadCredentials(str(error)) from None
            raise
        self._logins.forgive(name)
        self._remember(key, user, generation)
        return user

    @contextmanager
    def _held_back(self, names: tuple[str, ...]) -> Iterator[None]:
        self._waiting.update(names)
        try:
            yield
        finally:
            for name in names:
                self._waiting[name] -= 1
                if not self._waiting[name]:
                    del self._waiting[name]

    def _remember(self, key: bytes, user: User, generation: int) -> None:
        size, seconds = self._config[AUTH_CACHE_SIZE], self._config[AUTH_CACHE_TTL]
        while self._known and len(self._known) >= size:
            del self._known[next(iter(self._known))]  # the oldest
        if size and seconds:
            self._known[key] = _Known(user, self._clock() + seconds, generation)

    def _generation(self) -> int:
        return int(getattr(self._directory, "generation", 0))

    def _changed_since(self, known: _Known, generation: int) -> bool:
        if known.generation == generation:
            return False
        changed_since = getattr(self._directory, "changed_since", None)
        return True if changed_since is None else bool(changed_since(known.user, known.generation))

    def _act_as(self, user: User, login: str, authorize: str) -> User:
        other = self._directory.find(authorize)
        if other is not None and other.account == user.account:
            return user
        admins = {name.lower() for name in self._config[STORE_ADMINS]}
        if not {login.lower(), user.uid.lower(), user.account} & admins:
            raise LoginRefused("Not allowed to act as another user")
        if other is None:
            raise LoginRefused("No such user to act as")
        return other
