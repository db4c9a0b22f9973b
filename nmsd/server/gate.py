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
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from nmsd.config.clients import NameOf
from nmsd.config.services import IMAP, POP
from nmsd.config.setting import Config
from nmsd.directory.access import host_name
from nmsd.directory.api import CertificateUsers, Directory, Tokens, User
from nmsd.directory.sasl_settings import ANONYMOUS_USER
from nmsd.directory.scram import made_up_keys
from nmsd.directory.settings import SCRAM_ITERATIONS
from nmsd.directory.users import admit
from nmsd.model.errors import AmbiguousEntry, BadCredentials, DirectoryUnavailable, LoginRefused, UnknownPartition
from nmsd.model.scram import ScramKeys
from nmsd.server.admins import is_admin
from nmsd.server.settings import AUTH_CACHE_SIZE, AUTH_CACHE_TTL, BAD_LOGIN_WAITING
from nmsd.server.throttle import Throttle
from nmsd.store.api import Account, Store
from nmsd.wire.protocol import Log

_AWAY: Final = "The directory is not available, try again later"
_PLAIN_LOGINS: Final = {
    service.name: service.certificates for service in (IMAP, POP) if service.certificates is not None
}
_LOGINS: Final = {name + "s": logins for name, logins in _PLAIN_LOGINS.items()}
_MOST_LOGGED: Final = 320  # characters of what a client calls itself; an address has no more
_MOST_ACCOUNTS: Final = 100_000  # whose entries' names are remembered, more than a worker has sessions


@dataclass
class _Attempt:
    """Who tries to come in: into which service, by which method, as whom ('' while that is not known), from where."""

    service: str
    method: str
    login: str
    address: str

    def words(self) -> str:
        """What the log calls it."""
        return f"[{self.address}] {self.method} {self.login[:_MOST_LOGGED] or '-'}"


@dataclass(frozen=True)
class _Known:
    """A login that was right."""

    user: User
    until: float
    generation: int


class DirectoryGate:
    """The gate of one worker.

    `throttles` are of addresses and of logins; `clock` gives seconds that only go forward; `pause` holds the caller's
    greenlet up for so many seconds.  `secret` is a key that all workers share, for what unknown users are told;
    `tokens` judges bearer tokens, where they are taken; `certificates` says whose a certificate is.  A directory with
    an attribute `generation`, a number that grows with its changes, has the cache forget at once: everybody, or those
    whose entry `changed_since(user, generation)` says.
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
        secret: bytes = b"",
        tokens: Tokens | None = None,
        certificates: CertificateUsers | None = None,
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
        self._secret = secret or os.urandom(16)
        self._tokens = tokens
        self._certificates = certificates
        self._key = os.urandom(32)
        self._known: dict[bytes, _Known] = {}
        self._waiting: Counter[str] = Counter()
        self._accounts: dict[str, str] = {}
        self.name_of: NameOf = host_name
        """Gives the host name of a client's address."""
        self.last_word: Callable[[User, str], None] = lambda user, login: None
        """Called with each user who may come in and the name he gave; raises LoginRefused if he may not after all."""
        self.entered: Callable[[User], None] = lambda user: None
        """Called with each user who is let in."""

    # The contract

    def login(
        self, service: str, login: str, password: str, address: str, authorize: str = "", method: str = "plaintext"
    ) -> User:
        """As the contract says."""
        attempt = _Attempt(service, method, login, address)
        return self._enter(attempt, authorize, lambda: self._check_password(attempt, password))

    def login_certificate(
        self, service: str, certificate: bytes, address: str, authorize: str = "", greeting: bool = False
    ) -> User:
        """As the contract says."""
        name = "" if self._certificates is None else self._certificates.subject_of(certificate)
        attempt = _Attempt(service, "certificate", name, address)
        return self._enter(attempt, authorize, lambda: self._check_certificate(attempt, certificate, greeting))

    def login_anonymous(self, service: str, trace: str, address: str) -> User:
        """As the contract says."""
        attempt = _Attempt(service, "ANONYMOUS", trace, address)
        return self._enter(attempt, "", self._nobody)

    def login_token(self, service: str, token: str, address: str, authorize: str, method: str) -> User:
        """As the contract says."""
        # Whose it is shows when it is judged; until then the one whom the client wants to be is spoken of.
        attempt = _Attempt(service, method, authorize, address)
        return self._enter(attempt, authorize, lambda: self._check_token(attempt, token))

    def scram_keys(self, login: str) -> ScramKeys:
        """As the contract says."""
        try:
            keys = self._directory.scram_keys(login)
        except AmbiguousEntry:
            keys = None  # the proof will fail, and the log then say so
        except DirectoryUnavailable:
            raise DirectoryUnavailable(_AWAY) from None
        return keys or made_up_keys(login, self._secret, self._config[SCRAM_ITERATIONS])

    def login_scram(self, service: str, login: str, is_proven: bool, address: str, authorize: str, method: str) -> User:
        """As the contract says."""
        attempt = _Attempt(service, method, login, address)
        return self._enter(attempt, authorize, lambda: self._check_proof(attempt, is_proven))

    def act_as(self, service: str, user: User, authorize: str, address: str) -> User:
        """As the contract says."""
        attempt = _Attempt(service, "PROXYAUTH", user.uid, address)
        return self._enter(attempt, authorize, lambda: self._again(user))

    def account_of(self, dn: str) -> str:
        """The account of the user with this entry, if he logged in not long ago; else ''."""
        return self._accounts.get(dn.lower(), "")

    def entries(self) -> list[tuple[str, str]]:
        """(name of the entry in lower case, account) of those who logged in not long ago."""
        return list(self._accounts.items())

    # One way in

    def _enter(self, attempt: _Attempt, authorize: str, authenticate: Callable[[], User]) -> User:
        """The way of every login: `authenticate` says who it is, then rules and administrators' rights are applied, and
        the log told."""
        try:
            self._check_way(attempt.service)
            own = authenticate()
            user = self._act_as(own, attempt.login, authorize) if authorize and authorize != attempt.login else own
            for each in {own.dn: own, user.dn: user}.values():
                admit(each, attempt.service, attempt.address, self.name_of)
            self.last_word(user, attempt.login)
        except (BadCredentials, LoginRefused) as refused:
            self._log_refusal("Notice", attempt, refused)
            raise
        except AmbiguousEntry as ambiguous:
            self._log_refusal("Notice", attempt, ambiguous)
            raise BadCredentials(str(ambiguous)) from None
        except DirectoryUnavailable as away:
            # The directory tells once that it is down; what it tells is not for clients.
            self._log_refusal("Information", attempt, away)
            raise DirectoryUnavailable(_AWAY) from None
        account = self._store.account(user.account)
        if not account.exists():
            self._make_account(account, user)
        self.know(user)
        self.entered(user)
        self.logins += 1
        words = attempt.words()
        self._log("Information", "Account", f"login: {words}", service=attempt.service, user=user.account)
        if user.account != own.account:
            self._log(
                "Notice", "Account", f"proxy: {words}", service=attempt.service, admin=own.account, user=user.account
            )
        return user

    def _check_way(self, service: str) -> None:
        """Where certificates are required, sessions with TLS have one (server.session sees to that); others have none
        and may not log in.  Raises LoginRefused."""
        logins = _PLAIN_LOGINS.get(service)
        if logins is not None and self._config[logins.require]:
            raise LoginRefused("A client certificate is required here", "PRIVACYREQUIRED")

    def _make_account(self, account: Account, user: User) -> None:
        try:
            account.ensure(partition=user.partition)
        except UnknownPartition as error:
            self._log("Error", "Account", f"no account made: {error}", entry=user.dn)
            raise

    def know(self, user: User) -> None:
        """Remembers whose account is that of the user's entry."""
        dn = user.dn.lower()
        self._accounts.pop(dn, None)
        while len(self._accounts) >= _MOST_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]  # the one that logged in least lately
        self._accounts[dn] = user.account

    def _log_refusal(self, level: str, attempt: _Attempt, error: Exception) -> None:
        self.bad_logins += 1
        self._log(level, "Account", f"badlogin: {attempt.words()} {error}", service=attempt.service)

    # Who it is

    def _check_password(self, attempt: _Attempt, password: str) -> User:
        login = attempt.login
        digest = blake2b(f"{login}\0{password}".encode("utf-8", "surrogateescape"), key=self._key, digest_size=16)
        key = digest.digest()
        generation = self._generation()
        known = self._known.get(key)
        if known is not None:
            if self._clock() < known.until and not self._changed_since(known, generation):
                return known.user
            del self._known[key]
        user = self._guarded(attempt, lambda: self._directory.authenticate(login, password))
        if self._changed_since(_Known(user, 0, generation), self._generation()):
            # Perhaps the password, and perhaps before anybody looks for sessions that it ends.
            generation = self._generation()
            user = self._guarded(attempt, lambda: self._directory.authenticate(login, password))
        self._remember(key, user, generation)
        return user

    def _check_certificate(self, attempt: _Attempt, certificate: bytes, greeting: bool) -> User:
        users, logins = self._certificates, _LOGINS.get(attempt.service)
        if users is None or logins is None or not self._config[logins.allow]:
            raise LoginRefused("Certificates are not taken here")
        if greeting:  # it was not the client's choice to try, and a password may follow
            user = users.user_of(certificate)
        else:
            user = self._guarded(attempt, lambda: users.user_of(certificate))
        attempt.login = user.uid
        return user

    def _check_proof(self, attempt: _Attempt, is_proven: bool) -> User:
        def find() -> User:
            user = self._directory.find(attempt.login)
            if user is None:
                raise BadCredentials("no such user")
            if not is_proven:
                raise BadCredentials("wrong proof, or no SCRAM keys in the entry")
            return user

        return self._guarded(attempt, find)

    def _check_token(self, attempt: _Attempt, token: str) -> User:
        def find() -> User:
            if self._tokens is None:
                raise DirectoryUnavailable("there is no key set to check tokens with")
            attempt.login = self._tokens.user_name(token)
            user = self._directory.find(attempt.login)
            if user is None:
                raise BadCredentials("no such user")
            return user

        return self._guarded(attempt, find)

    def _again(self, user: User) -> User:
        """Somebody who is in already, as his entry is now."""
        found = self._directory.find(user.account)
        if found is None or found.dn.lower() != user.dn.lower():
            raise LoginRefused("This account is gone")
        return found

    def _nobody(self) -> User:
        name = self._config[ANONYMOUS_USER]
        user = self._directory.find(name) if name else None
        if user is None:
            self._log(
                "Warning", "Account", f"{ANONYMOUS_USER.name} names {name or 'nobody'}, and there is no such user"
            )
            raise LoginRefused("Anonymous logins are not possible just now", "UNAVAILABLE")
        return replace(user, is_anonymous=True)

    def _guarded(self, attempt: _Attempt, authenticate: Callable[[], User]) -> User:
        """What `authenticate` gives; after failures, the next one's answer is held back."""
        name = attempt.login.lower()
        held = (f"address {attempt.address}", f"login {name}") if name else (f"address {attempt.address}",)
        limit = self._config[BAD_LOGIN_WAITING]
        if any(self._waiting[who] >= limit for who in held):
            raise LoginRefused("Too many failed logins, try again later", "UNAVAILABLE")
        try:
            user = authenticate()
        except (BadCredentials, AmbiguousEntry):
            counts = ((self._addresses, attempt.address), (self._logins, name))
            seconds = max(throttle.delay(throttle.failed(who)) for throttle, who in counts if who)
            if seconds:
                with self._held_back(held):
                    self._pause(seconds)
            raise
        self._logins.forgive(attempt.login.lower())
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
        if not is_admin(self._config, self._directory, user, login):
            raise LoginRefused("Not allowed to act as another user")
        if other is None:
            raise LoginRefused("No such user to act as")
        return other
