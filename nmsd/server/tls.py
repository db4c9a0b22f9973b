"""TLS for parked sessions: the standard library's non-blocking SSLSocket, and certificates that may change on disk.

Security: what an attacker controls here is the handshake, bounded by service.readtimeout.  Renegotiation is off, TLS
compression is off, and the server's order of ciphers holds.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from gevent import Timeout
from OpenSSL import SSL, crypto

from nmsd.config.services import CERTIFICATE, CLIENT_CA_FILE, KEY, CertificateSettings, client_crl_paths
from nmsd.config.setting import Config
from nmsd.directory.entrance import binds_logins
from nmsd.server.authorities import Authorities, Unusable
from nmsd.server.client_tls import ClientContext, ClientSocket
from nmsd.server.settings import CLIENT_CRL_CHECK, CLIENT_CRL_EXPIRED, TLS_CIPHERS, TLS_MIN_VERSION
from nmsd.server.stream import Socket, TimedOut, wait_until_readable, wait_until_writable
from nmsd.wire.protocol import Log, Peer

if TYPE_CHECKING:
    import ssl
else:
    from nmsd.server.patch import plain_ssl as ssl

EXPIRY_WARNING_DAYS: Final = 21

Context = ssl.SSLContext | ClientContext
"""The second kind asks the client for its certificate, or knows what its channels can be bound to."""


class TlsUnavailable(Exception):
    """The server has no certificate it can use; the text says why."""


def certificate_problem(certificate: str, key: str) -> str:
    """What makes these two files useless as a server's certificate and private key; '' if nothing does."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        context.use_certificate_chain_file(certificate)
    except SSL.Error as error:
        return f"{certificate}: no usable certificate ({_reason(error)})"
    try:
        with open(key, "rb") as file:
            loaded = serialization.load_pem_private_key(file.read(), None)
    except OSError as error:
        return f"{key}: no private key ({error.strerror})"
    except TypeError:
        return f"{key}: the private key is under a pass phrase; take that off"
    except (ValueError, UnsupportedAlgorithm):
        return f"{key}: no private key in PEM"
    try:
        context.use_privatekey(loaded)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError) as error:
        return f"{key}: the private key does not fit the certificate ({_reason(error)})"
    return ""


def _reason(error: Exception) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(detail[-1]) for detail in details if detail[-1]) or "it cannot be read"


def expires(certificate: str) -> datetime.datetime:
    """When the first certificate in the file ends.  Raises OSError, crypto.Error."""
    with open(certificate, "rb") as file:
        loaded = crypto.load_certificate(crypto.FILETYPE_PEM, file.read())
    return loaded.to_cryptography().not_valid_after_utc


@dataclass(frozen=True)
class _Sources:
    """What a context is made from: the files, which versions of them, and settings."""

    certificate: str
    key: str
    versions: tuple[tuple[int, ...], tuple[int, ...]]
    minimum: str
    ciphers: str
    authorities: Authorities | None
    """None where clients are asked for no certificate."""
    binds: bool
    """Whether logins may be bound to the channel."""


class _States:
    """Of some files, which state is in use, which is no good, and which may be half of a change."""

    def __init__(self) -> None:
        self._used: object = None
        self._refused: object = None
        self._doubted: object = None

    def is_news(self, state: object) -> bool:
        """Whether nobody has looked at this state, or it was in doubt."""
        return state not in (self._used, self._refused)

    def take(self, state: object) -> None:
        """It is in use from now on."""
        self._used = state
        self._refused = self._doubted = None

    def refuse(self, state: object, at_once: bool) -> bool:
        """It is no good; whether that is to be told: `at_once`, or when it is still so at the next look."""
        is_told = at_once or state == self._doubted
        if is_told:
            self._refused = state
        self._doubted = state
        return is_told


class Certificates:
    """The context for new handshakes, made anew when the files it is made from change.

    `logins` are the service's settings for clients' certificates; `now` gives seconds since the epoch.
    """

    def __init__(
        self, config: Config, log: Log, now: Callable[[], float], logins: CertificateSettings | None = None
    ) -> None:
        self._config = config
        self._log = log
        self._now = now
        self._logins = logins
        self._ends: list[tuple[float, str]] = []
        self._context: Context | None = None
        self._sources = _States()
        self._authorities: Authorities | None = None
        self._clients = _States()
        self.refresh()

    def context(self) -> Context:
        """The context for a new handshake.  Raises TlsUnavailable."""
        if self._context is None:
            raise TlsUnavailable("no usable certificate")
        return self._context

    def available(self) -> bool:
        """Whether TLS can be offered."""
        return self._context is not None

    @property
    def required(self) -> bool:
        """Whether a session ends whose client showed no acceptable certificate."""
        return self._logins is not None and self._config[self._logins.require]

    def refresh(self) -> None:
        """Looks whether files or settings changed; if so, new handshakes use the new ones.

        Files that are no good, or do not fit together, leave what is in use in use.  They are told of at the next look,
        if they are still so: whoever replaces two files does it one after the other.
        """
        if not self._config[CERTIFICATE]:
            self._context, self._sources = None, _States()
            return
        self._refresh_authorities()
        self._warn_of_ends()
        sources = _look(self._config, self._logins, self._authorities)
        if not self._sources.is_news(sources):
            return
        try:
            self._context = _load(sources)
        except TlsUnavailable as error:
            if self._sources.refuse(sources, at_once=self._context is None):
                kept = "; the one in use stays" if self._context else "; there is no TLS"
                self._log("Error", "Network", f"TLS certificate not loaded: {error}{kept}")
            return
        self._sources.take(sources)
        self._warn_of_expiry(sources.certificate)

    def _refresh_authorities(self) -> None:
        wanted = _look_for_clients(self._config, self._logins)
        if wanted is None:
            self._authorities, self._clients, self._ends = None, _States(), []
            return
        if not self._clients.is_news(wanted):
            return
        try:
            self._authorities = Authorities(self._config, self._now)
        except Unusable as error:
            if self._clients.refuse(wanted, at_once=self._authorities is None):
                kept = "those in use stay" if self._authorities else "clients are asked for no certificate"
                self._log("Error", "Network", f"authorities of clients' certificates not loaded: {error}; {kept}")
            return
        self._clients.take(wanted)
        self._ends = self._authorities.ends()

    def _warn_of_ends(self) -> None:
        """Tells of authorities and revocation lists, each as it ends."""
        while self._ends and self._ends[0][0] <= self._now():
            self._log("Warning", "Network", f"{self._ends.pop(0)[1]} has expired", file=self._config[CLIENT_CA_FILE])

    def _warn_of_expiry(self, certificate: str) -> None:
        left = expires(certificate).timestamp() - self._now()
        if left < 0:
            self._log("Warning", "Network", "the TLS certificate has expired", file=certificate)
        elif left < EXPIRY_WARNING_DAYS * 86_400:
            days = int(left // 86_400)
            self._log("Warning", "Network", "the TLS certificate expires soon", file=certificate, days=days)


def _look(config: Config, logins: CertificateSettings | None, authorities: Authorities | None) -> _Sources:
    certificate, key = config.path(CERTIFICATE), config.path(KEY)
    versions = _version(certificate), _version(key)
    binds = logins is not None and binds_logins(config)
    return _Sources(certificate, key, versions, config[TLS_MIN_VERSION], config[TLS_CIPHERS], authorities, binds)


def _look_for_clients(config: Config, logins: CertificateSettings | None) -> tuple[object, ...] | None:
    """What there is to judge clients' certificates by; None where they are asked for none."""
    if logins is None or not config[logins.allow] or not config[CLIENT_CA_FILE]:
        return None
    paths = config.path(CLIENT_CA_FILE), *client_crl_paths(config)
    return paths, tuple(map(_version, paths)), config[CLIENT_CRL_CHECK], config[CLIENT_CRL_EXPIRED]


def _load(sources: _Sources) -> Context:
    problem = certificate_problem(sources.certificate, sources.key)
    if problem:
        raise TlsUnavailable(problem)
    files = sources.certificate, sources.key, sources.minimum, sources.ciphers
    try:
        if sources.authorities is not None or sources.binds:
            return ClientContext(*files, sources.authorities)
        return make_context(*files)
    except OSError as error:
        raise TlsUnavailable(str(error)) from None


def _version(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def make_context(certificate: str, key: str, minimum: str, ciphers: str) -> ssl.SSLContext:
    """A server's context.  Raises OSError (ssl.SSLError is one) for files or ciphers that are no good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(ciphers)
    context.load_cert_chain(certificate, key)
    return context


def shake_hands(sock: Socket, context: Context, seconds: float) -> ssl.SSLSocket | ClientSocket:
    """Makes a TLS connection, as the server, of a connected non-blocking socket, which then belongs to the new one.

    Blocks the greenlet.  Raises TimedOut after `seconds` in all, OSError (ssl.SSLError is one) when it fails.
    """
    wrapped: ssl.SSLSocket | ClientSocket
    if isinstance(context, ClientContext):
        wrapped = ClientSocket(sock, context)
    else:
        wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)  # type: ignore[arg-type]
    try:
        _do_handshake(wrapped, seconds)
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _do_handshake(sock: ssl.SSLSocket | ClientSocket, seconds: float) -> None:
    with Timeout(seconds, TimedOut("TLS handshake not finished")):
        while True:
            try:
                sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                wait_until_readable(sock, None)
            except ssl.SSLWantWriteError:
                wait_until_writable(sock, None)


def secured(peer: Peer, sock: ssl.SSLSocket | ClientSocket) -> Peer:
    """`peer`, with what TLS knows of it."""
    if isinstance(sock, ClientSocket):
        return replace(
            peer, tls=True, cipher_bits=sock.cipher_bits(), certificate=sock.certificate, bindings=sock.bindings()
        )
    cipher = sock.cipher()
    return replace(peer, tls=True, cipher_bits=cipher[2] if cipher else 0)


def certificate_refusal(sock: Socket) -> str:
    """Whose certificate was shown and not accepted, and why; '' if none was."""
    return sock.refusal if isinstance(sock, ClientSocket) else ""


def has_pending(sock: Socket) -> bool:
    """Whether TLS has read something from the kernel that was not asked for yet."""
    return isinstance(sock, (ssl.SSLSocket, ClientSocket)) and sock.pending() > 0


def say_goodbye(sock: Socket) -> None:
    """Sends close_notify, if it is TLS and the kernel takes it, and waits for no answer."""
    if isinstance(sock, ClientSocket):
        sock.say_goodbye()
    elif isinstance(sock, ssl.SSLSocket):
        try:
            sock.unwrap()
        except (OSError, ValueError):
            pass
