"""The directory servers in order of preference: who is asked, who is left alone for now, and what the log hears of it.

A server is down when it refuses connections or TLS or our bind, or answers too late several times in a row
(ldap_breaker).  The next one is asked at once; the preferred one again as soon as it is back.  Down and back are logged
once each.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nmsd.directory import ldap_settings as settings
from nmsd.directory.ldap_breaker import Breaker
from nmsd.directory.ldap_link import Account, Failure, Link, Refusal
from nmsd.directory.ldap_pool import Pool
from nmsd.directory.ldap_referral import allowed
from nmsd.directory.ldap_socket import tls_context
from nmsd.model.errors import DirectoryUnavailable

if TYPE_CHECKING:
    from nmsd.config.ldap_address import Address
    from nmsd.config.setting import Config
    from nmsd.directory.runtime import Log

T = TypeVar("T")

_Stamps = tuple[tuple[int, int], ...]


class Opener:
    """Opens links as the settings say."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._context: ssl.SSLContext | None = None
        self._stamps: _Stamps = ()

    def link(self, address: Address) -> Link:
        """A link to this server, bound as nobody.  Raises Failure, DirectoryUnavailable (our own files are wrong)."""
        config = self._config
        start_tls = self.starts_tls(address)
        tls = self._tls() if start_tls or address.scheme == "ldaps" else None
        return Link(address, tls, start_tls, config[settings.CONNECT_TIMEOUT])

    def bound_link(self, address: Address) -> Link:
        """A link to this server, bound as ourselves.  Raises as `link`."""
        link = self.link(address)
        try:
            outcome = link.bind_account(self.account(), self._config[settings.TIMEOUT])
        except BaseException:
            link.close()
            raise
        if not outcome.is_success:
            link.close()
            raise Failure(f"it does not let us bind as {self.account_name()}: {outcome}")
        return link

    def account(self) -> Account:
        """As whom we bind."""
        config = self._config
        return Account(config[settings.BIND_METHOD], config[settings.BIND_DN], config[settings.BIND_CREDENTIALS])

    def account_name(self) -> str:
        """As whom we bind, in words."""
        account = self.account()
        return "SASL EXTERNAL" if account.method == "external" else account.dn or "anonymous"

    def starts_tls(self, address: Address) -> bool:
        """Whether a plain connection to it begins TLS first."""
        word = self._config[settings.START_TLS]
        return address.scheme == "ldap" and (word == "yes" or (word == "auto" and not address.is_local))

    def _tls(self) -> ssl.SSLContext:
        """The context, made anew when one of its files is: certificates are renewed."""
        config = self._config
        paths = [
            config.path(setting) if config[setting] else ""
            for setting in (settings.TLS_CA, settings.TLS_CERTIFICATE, settings.TLS_KEY)
        ]
        stamps = tuple(_stamp(path) for path in paths)
        if self._context is None or stamps != self._stamps:
            self._context = tls_context(config[settings.TLS_VERIFY], *paths)
            self._stamps = stamps
        return self._context


def _stamp(path: str) -> tuple[int, int]:
    if not path:
        return (0, 0)
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)


class _DirectoryServer:
    """One server: its breaker, and its links for searches and for users' binds."""

    def __init__(self, address: Address, opener: Opener, config: Config, clock: Callable[[], float]) -> None:
        self.address = address
        self.breaker = Breaker(lambda: config[settings.RETRY], lambda: config[settings.FAILURES], clock)

        def pool(open_link: Callable[[Address], Link]) -> Pool:
            return Pool(
                lambda: open_link(address),
                config[settings.CONNECTIONS],
                waiting=lambda: config[settings.WAITING],
                idle=lambda: config[settings.IDLE],
                patience=lambda: config[settings.TIMEOUT],
                clock=clock,
            )

        self.searches = pool(opener.bound_link)
        self.binds = pool(opener.link)

    def run(self, pool: Pool, use: Callable[[Link], T]) -> T:
        """What `use` gives.  A link that died while it lay unused is replaced.  Raises Failure and what `use`
        raises."""
        while True:
            reused = False
            try:
                with pool.lease() as lease:
                    reused = lease.reused
                    return use(lease.link)
            except Failure as failure:
                if failure.timed_out or not reused:
                    raise
            pool.clear()  # the others died with it


@dataclass(frozen=True)
class ServerState:
    """One server as this process knows it: whether it is taken for down, and its links that are lent and unused."""

    address: Address
    is_down: bool
    used: int
    idle: int


class Servers:
    """All of them."""

    def __init__(self, config: Config, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self.opener = Opener(config)
        self._servers = tuple(
            _DirectoryServer(address, self.opener, config, clock) for address in settings.addresses(config)
        )
        # Of a server that is also in the list above there are other links: those are for what is asked first.
        self._referred = {address: _DirectoryServer(address, self.opener, config, clock) for address in allowed(config)}

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where they are."""
        return tuple(server.address for server in self._servers)

    def up(self) -> tuple[Address, ...]:
        """Where those are that are not known to be down."""
        return tuple(server.address for server in self._servers if not server.breaker.is_open)

    def states(self) -> tuple[ServerState, ...]:
        """How each of them is, in order of preference."""
        return tuple(
            ServerState(
                server.address,
                server.breaker.is_open,
                *(sum(both) for both in zip(server.searches.counts(), server.binds.counts())),
            )
            for server in self._servers
        )

    def search(self, use: Callable[[Link], T], at: Address | None = None) -> T:
        """What `use` makes of a link that is bound as ourselves; `at`: to that server, which we were referred to.
        Raises DirectoryUnavailable."""
        return self._first(lambda server: server.run(server.searches, use), at)

    def bind(self, use: Callable[[Link], T], at: Address | None = None) -> T:
        """What `use` makes of a link whose bind it may change; `at` as above.  Raises DirectoryUnavailable."""
        return self._first(lambda server: server.run(server.binds, use), at)

    def may_go_to(self, address: Address) -> bool:
        """Whether a referral to this server is followed."""
        return address in self._referred

    def with_own_link(self, use: Callable[[Link], T]) -> T:
        """What `use` makes of a link of its own, bound as ourselves, which it has to close.  Raises
        DirectoryUnavailable."""
        return self._first(lambda server: use(self.opener.bound_link(server.address)))

    def close(self) -> None:
        """Closes all links that lie unused."""
        for server in (*self._servers, *self._referred.values()):
            server.searches.clear()
            server.binds.clear()

    def _first(self, ask: Callable[[_DirectoryServer], T], at: Address | None = None) -> T:
        """Asks one after the other until one answers."""
        reasons = []
        for server in self._servers if at is None else (self._referred[at],):
            attempt = server.breaker.attempt()
            if attempt is None:
                continue
            try:
                answer = ask(server)
            except Failure as failure:
                reasons.append(f"{server.address.url}: {failure}")
                self._failed(server, attempt, failure)
                continue
            except Refusal:
                self._succeeded(server, attempt)
                raise
            self._succeeded(server, attempt)
            return answer
        if not reasons:
            raise DirectoryUnavailable("the directory is down; the log says since when and why")
        raise DirectoryUnavailable("no directory server answers; " + "; ".join(reasons))

    def _failed(self, server: _DirectoryServer, attempt: int, failure: Failure) -> None:
        if failure.counts and server.breaker.failed(attempt, at_once=not failure.timed_out):
            self._log("Error", "LDAP", f"directory server is down: {failure}", server=server.address.url)
            server.searches.give_up()
            server.binds.give_up()

    def _succeeded(self, server: _DirectoryServer, attempt: int) -> None:
        if server.breaker.succeeded(attempt):
            self._log("Notice", "LDAP", "directory server answers again", server=server.address.url)
