"""The console's worker: gevent's WSGI server on the inherited sockets, over TLS.

It lives as other workers do (config.launch): ready, draining, stopping.  Nothing of it is shared with the mail
services' workers but the board, for the throttling of logins, and their sockets, to ask them.

Security: everything of an HTTP client comes through here.  A connection that says nothing for service.readtimeout, or
takes longer over a request's head or form, is closed; there are at most service.console.maxsessions of them, and at
most service.console.maxperaddress from one address.
"""

from __future__ import annotations

import os
import signal
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import ECONNRESET
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import Input, WSGIHandler, WSGIServer

from nmsd.config.launch import Launch
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.services import CERTIFICATE, CONSOLE, KEY
from nmsd.config.setting import Config, Section
from nmsd.console.back import Back
from nmsd.console.desk import Desk
from nmsd.console.logouts import Logouts
from nmsd.console.samples import STEP_S, Samples
from nmsd.console.settings import MAX_PER_ADDRESS
from nmsd.console.tokens import Tokens
from nmsd.console.visits import Visits
from nmsd.console.web import BODY_BYTES, make_app
from nmsd.model.errors import NmsdError
from nmsd.server.board import Board
from nmsd.server.runtime import GeventRuntime
from nmsd.server.settings import READ_TIMEOUT, TLS_CIPHERS, TLS_MIN_VERSION
from nmsd.server.status import StatusPipe
from nmsd.server.tls import certificate_problem
from nmsd.wire.protocol import Log

_THREADS: Final = 4  # for password hashes and directory look-ups
_DRAIN_S: Final = 10.0  # how long pages that are being made may take when another worker has taken over
_TICK_S: Final = 1.0


class _Handler(WSGIHandler):  # type: ignore[misc]
    """One connection.  Errors of clients are theirs; only ours are worth a line."""

    wsgi_input: Any

    def read_requestline(self) -> Any:
        with self._hurry():
            return super().read_requestline()

    def read_request(self, raw_requestline: str) -> Any:
        try:
            with self._hurry():
                return super().read_request(raw_requestline)
        except OSError:
            return False

    def run_application(self) -> None:
        """Reads the form first, whatever way its length is told, and leaves the page as much as one may be long."""
        source, self.wsgi_input = self.wsgi_input, Input(BytesIO(), 0)  # of which gevent has nothing to discard
        with self._hurry():
            form = source.read(BODY_BYTES + 1)
            while source.read(BODY_BYTES):
                pass
        self.environ["wsgi.input"] = BytesIO(form)
        if self.environ.pop("HTTP_TRANSFER_ENCODING", ""):
            self.environ["CONTENT_LENGTH"] = str(len(form))
        super().run_application()

    def _hurry(self) -> gevent.Timeout:
        return gevent.Timeout(self.server.read_timeout(), ConnectionResetError(ECONNRESET, "the client is too slow"))

    def log_error(self, msg: str, *args: Any) -> None:
        self.server.event_log("Information", "Network", (msg % args) if args else msg)

    def handle_error(self, kind: Any, value: Any, trace: Any) -> None:
        if not issubclass(kind, OSError | gevent.GreenletExit):
            self.server.event_log("Error", "General", "a page failed", error=repr(value))
        super().handle_error(kind, value, trace)


class _Server(WSGIServer):  # type: ignore[misc]
    """One listening socket."""

    def __init__(self, fd: int, house: _House, pool: Pool) -> None:
        listener = socket.socket(fileno=fd)
        listener.setblocking(False)
        self.event_log = house.log
        self._house = house
        self.read_timeout = house.read_timeout
        super().__init__(
            listener, house.app, spawn=pool, log=None, error_log=None, handler_class=_Handler, ssl_context=house.context
        )
        self.wrap_socket = self._secure

    def _secure(self, client: Any, **arguments: Any) -> Any:
        # The context of the moment, and an end to silence: for the handshake, and between a browser's requests.
        client.settimeout(self._house.read_timeout())
        return self._house.context.wrap_socket(client, **arguments)

    def wrap_socket_and_handle(self, client: Any, address: Any) -> Any:
        with self._house.room(str(address[0])) as there_is:
            if not there_is:
                client.close()
                return None
            try:
                return super().wrap_socket_and_handle(client, address)
            except OSError:
                return None  # a client that speaks no TLS, or none of ours, or not at all

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "wsgi.url_scheme": "https"}


class _House:
    """What the servers of one worker share."""

    def __init__(self, config: Config, log: Log) -> None:
        self.log = log
        self.app: Any = None
        self._config = config
        self._addresses: Counter[str] = Counter()
        self.context = self._load()

    @contextmanager
    def room(self, address: str) -> Iterator[bool]:
        """Whether one more connection from this address is taken; it is counted as long as this lasts."""
        if self._addresses[address] >= self._config[MAX_PER_ADDRESS]:
            yield False
            return
        self._addresses[address] += 1
        try:
            yield True
        finally:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def read_timeout(self) -> float:
        """How many seconds a connection may be silent."""
        return float(self._config[READ_TIMEOUT])

    def refresh(self) -> None:
        """Takes a new certificate; one that is no good is told of, and the old one stays."""
        try:
            self.context = self._load()
        except ConfigError as error:
            self.log("Error", "Network", "TLS certificate not loaded; the one in use stays", problem=error)

    def _load(self) -> ssl.SSLContext:
        config = self._config
        certificate, key = config.path(CERTIFICATE), config.path(KEY)
        problem = certificate_problem(certificate, key)
        if problem:
            raise ConfigError([Problem(problem, "the console needs one", name=CERTIFICATE.name, value=certificate)])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        newest = config[TLS_MIN_VERSION] == "1.3"
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(config[TLS_CIPHERS])
        context.load_cert_chain(certificate, key)
        return context


def run(
    launch: Launch,
    config: Config,
    log: Log,
    *,
    sections: Sequence[Section],
    open_back: Callable[[Board, GeventRuntime], Back],
    stop_seconds: Callable[[], float],
    reread: Callable[[], None],
) -> int:
    """Serves until told to end; gives the exit status.  Raises ConfigError."""
    house = _House(config, log)
    board = Board(launch.board)
    runtime = GeventRuntime(_THREADS)
    back = open_back(board, runtime)
    # The same for the worker that takes over from this one, another after the server's next start.
    secret = blake2b(b"console cookies", key=board.secret, digest_size=32).digest()
    place = config.instance
    logouts = Logouts(place)
    visits = Visits(logouts, back.recall)
    desk = Desk(
        config,
        sections,
        back,
        log,
        secret,
        logouts,
        visits,
        tokens=Tokens(place),
        samples=Samples(place),
        offload=runtime.offload,
    )
    house.app = make_app(desk)
    pool = Pool(config[CONSOLE.max_sessions])
    servers = [_Server(inherited.fd, house, pool) for inherited in launch.listeners]
    over = Event()
    state = "ready"

    def leave(seconds: float) -> None:
        nonlocal state
        if state == "ready":
            state = "draining"
            for server in servers:
                server.close()
            tell()
            gevent.spawn(finish, seconds)

    def tell() -> None:
        facts = {"state": state, "pid": os.getpid(), "service": launch.service, "index": launch.index}
        status.tell({**facts, "sessions": len(pool), "max_sessions": pool.size})

    def finish(seconds: float) -> None:
        pool.join(timeout=seconds)
        pool.kill(timeout=1)
        over.set()

    def reload() -> None:
        reread()
        house.refresh()

    def stop() -> None:
        leave(min(2.0, stop_seconds()))

    def sample() -> None:
        while state == "ready":
            try:
                desk.sample(time.time())
            except (NmsdError, OSError) as error:
                log("Information", "Stats", "no sample was taken", error=error)
            gevent.sleep(STEP_S / 4)

    status = StatusPipe(launch.status_fd, time.monotonic, stop)
    for number, action in ((signal.SIGTERM, stop), (signal.SIGUSR1, lambda: leave(_DRAIN_S)), (signal.SIGHUP, reload)):
        gevent.signal_handler(number, action)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for server in servers:
        if state == "ready":  # else the end has been ordered already
            server.start()
    gevent.spawn(sample)
    back.ousting.attach(visits.sessions, launch.service)
    while not over.is_set():
        tell()
        back.ousting.tick()
        over.wait(_TICK_S)
    status.close()
    back.close()
    return 0
