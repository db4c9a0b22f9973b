"""The composition root: picks store and directory, and wires a worker together.  The only file that knows everything.

Importing it imports neither gevent nor an engine, so that commands may use the `open_` functions.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from nmsd.config.launch import Launch
from nmsd.config.load import read_snapshot
from nmsd.config.services import CONSOLE, POP
from nmsd.config.setting import Config
from nmsd.directory.api import Directory, Tokens
from nmsd.log import EventLog, limits
from nmsd.mime.settings import MAX_MIME_ADDRESSES, MAX_MIME_DEPTH, MAX_MIME_HEADER, MAX_MIME_PARTS
from nmsd.model.errors import NmsdError
from nmsd.model.message import Digest
from nmsd.settings import SECTIONS
from nmsd.store.api import Announce, Runtime, Store
from nmsd.wire.protocol import Log, Service
from nmsd.wire.tally import Histogram, Tally

if TYPE_CHECKING:
    from nmsd.console.back import Back
    from nmsd.directory.api import User
    from nmsd.directory.ldif_users import LdifUsers
    from nmsd.server.announce import Announcer
    from nmsd.server.board import Board
    from nmsd.server.gate import DirectoryGate
    from nmsd.server.process import Opened, Tools
    from nmsd.server.worker import Worker

_STORE_TIDY_S: Final = 10  # how often the store may tidy up


def open_store(
    config: Config,
    runtime: Runtime,
    announce: Announce,
    committed: Callable[[float], None] = lambda seconds: None,
    journal: bool = False,
    files: int | None = None,
) -> Store:
    """The store that the settings name.  `committed` is told how many seconds each commit took; `journal` is for a
    process that takes in mail for many accounts; `files` is how many it may hold open, if fewer than the settings say.
    Raises StoreError."""
    from nmsd.mime.digest import digest
    from nmsd.store.sqlite.engine import open_store as open_sqlite
    from nmsd.store.sqlite.settings import PRIMARY_PATH, limits, partitions_of

    def take_apart(message: bytes | mmap) -> Digest:
        return digest(
            message,
            config[MAX_MIME_DEPTH],
            config[MAX_MIME_PARTS],
            config[MAX_MIME_HEADER],
            config[MAX_MIME_ADDRESSES],
        )

    path = Path(config.path(PRIMARY_PATH))
    partitions = partitions_of(config)
    chosen = limits(config)
    if files is not None:
        chosen = replace(chosen, open_cache=open_accounts(config, files))
    return open_sqlite(path, runtime, announce, chosen, time.time, take_apart, committed, partitions, journal)


def open_accounts(config: Config, files: int) -> int:
    """How many accounts a store may keep open that may hold so many files open."""
    from nmsd.store.sqlite.database import DESCRIPTORS_PER_ACCOUNT
    from nmsd.store.sqlite.journal import DESCRIPTORS_OF_JOURNAL
    from nmsd.store.sqlite.settings import OPEN_CACHE

    return max(1, min(config[OPEN_CACHE], (files - DESCRIPTORS_OF_JOURNAL) // DESCRIPTORS_PER_ACCOUNT))


def store_descriptors(config: Config) -> int:
    """How many files the store of one worker may hold open."""
    from nmsd.store.sqlite.database import DESCRIPTORS_PER_ACCOUNT
    from nmsd.store.sqlite.journal import DESCRIPTORS_OF_JOURNAL
    from nmsd.store.sqlite.settings import OPEN_CACHE

    return config[OPEN_CACHE] * DESCRIPTORS_PER_ACCOUNT + DESCRIPTORS_OF_JOURNAL


def open_directory(config: Config, runtime: Runtime, log: Log) -> Directory:
    """The directory that the settings name."""
    from nmsd.directory.ldap_settings import HOSTS

    if config[HOSTS]:
        from nmsd.directory.ldap import LdapDirectory

        return LdapDirectory(config, runtime, log)
    from nmsd.directory.ldif import LdifDirectory

    return LdifDirectory(config, runtime, log)


def open_users(config: Config) -> LdifUsers:
    """The users of the embedded directory, for those who change them."""
    from nmsd.directory.ldif_users import LdifUsers

    return LdifUsers(config, _checked_address)


def _checked_address(text: str) -> str:
    from nmsd.lmtp.envelope import parse_address
    from nmsd.wire.errors import BadSyntax

    try:
        address = parse_address(text)
    except BadSyntax as error:
        raise NmsdError(f"{text}: {str(error).lower()}; give one such as alice@example.com") from None
    if not address.domain or not address.local or address.path() != str(address):
        raise NmsdError(f"{text}: not an address such as alice@example.com")
    return str(address).lower()


def open_announcer(config: Config) -> Announcer:
    """What a command tells running workers of its commits with: store.api.Announce."""
    from nmsd.server.announce import Announcer, SocketDirectory
    from nmsd.server.board import Board

    run = os.path.join(config.instance, "run")
    return Announcer(Board(os.path.join(run, "board")), SocketDirectory(os.path.join(run, "bus")))


class _EventHandler(logging.Handler):
    """Brings what libraries and engines tell by `logging` into the event log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._event_log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "Error" if record.levelno >= logging.ERROR else "Warning"
        self._event_log(level, "General", self.format(record), source=record.name)


def run_worker(launch: Launch, config: Config, log: EventLog) -> int:
    """A worker's life, in this process, which it makes cooperative; gives the exit status.  Raises ConfigError.

    `config` is what launch.config says; it and `log` are brought up to date at a reload.
    """
    from nmsd.server.patch import patch

    patch()
    logging.basicConfig(handlers=[_EventHandler(log)], level=logging.WARNING, force=True)
    from nmsd.supervisor.settings import STOP_TIMEOUT

    def reread() -> None:
        log.reopen()
        try:
            config.adopt(read_snapshot(launch.config, SECTIONS))
        except (OSError, ValueError) as error:
            log("Warning", "General", "settings not read again", error=error)
            return
        log.adjust(limits(config, launch.service))

    if launch.service == CONSOLE.name:
        from nmsd.console import process as console

        return console.run(
            launch,
            config,
            log,
            sections=SECTIONS,
            open_back=lambda board, runtime: _open_back(config, log, board, runtime),
            stop_seconds=lambda: config[STOP_TIMEOUT],
            reread=reread,
        )
    from nmsd.server.process import run, settings_of

    return run(
        launch,
        config,
        log,
        settings=settings_of(launch.service),
        store_files=store_descriptors(config),
        stop_seconds=lambda: config[STOP_TIMEOUT],
        open_service=lambda tools: _open_service(launch.service, tools),
        reread=reread,
    )


def _open_service(name: str, tools: Tools) -> Opened:
    import gevent

    from nmsd.directory import report
    from nmsd.server.oust import Ousting
    from nmsd.server.process import Opened
    from nmsd.server.timed import timed
    from nmsd.server.trace import Tracing

    config, log = tools.config, tools.log
    commits, questions = Histogram(), Histogram()
    has_journal = name != POP.name
    store = open_store(config, tools.runtime, tools.bus.announce, commits.observe, has_journal, files=tools.store_files)
    directory = timed(open_directory(config, tools.runtime, log), questions.observe, time.monotonic)
    gate = _open_gate(config, directory, store, tools.board, log)
    ousting = Ousting(directory, gate, log)
    tracing = Tracing(config, log, time.monotonic)

    def entered(user: User) -> None:
        ousting.entered(user)
        tracing.entered(user)

    gate.entered = entered
    getattr(directory, "start", lambda told: None)(ousting.changed)  # one that tells of its changes is listened to
    service = _service_class(name)(
        config=config, store=store, gate=gate, directory=directory, changes=tools.bus, log=log, now=time.time
    )
    tidied = time.monotonic()

    def tidy() -> None:
        nonlocal tidied
        if time.monotonic() - tidied >= _STORE_TIDY_S:
            tidied = time.monotonic()
            gevent.spawn(store.idle)

    def attach(worker: Worker) -> None:
        ousting.attach(worker.sessions, worker.pump.service.name)
        tracing.attach(worker)
        if worker.admission is not None:
            gate.last_word = worker.admission.enter
            gate.name_of = worker.admission.name_of

    def figures() -> dict[str, Any]:
        times = {"directory": questions, "commit": commits}
        if name == "lmtp":
            times["delivery"] = service.tally.delivered
        servers = getattr(directory, "servers", None)
        up = servers.up() if servers is not None else ()
        return {
            "latency": {what: histogram.read() for what, histogram in times.items()},
            "directory_servers": {each.url: int(each in up) for each in servers.addresses} if servers else {},
            "directory": report.links(directory),
            "native": tools.runtime.unfinished(),
            "max_native": tools.runtime.threads,
            **getattr(store, "figures", dict)(),
            "max_store_open": open_accounts(config, tools.store_files),
            "lost_events": int(getattr(log, "dropped", 0)),
        }

    return Opened(
        service,
        counters=lambda: {"logins": gate.logins, "bad_logins": gate.bad_logins},
        tally=service.tally.read,
        figures=figures,
        answers=tracing.answers(),
        duties=(tidy, ousting.tick, tracing.tick),
        attach=attach,
        close=store.close,
    )


def _open_gate(config: Config, directory: Directory, store: Store, board: Board, log: Log) -> DirectoryGate:
    import gevent

    from nmsd.directory.certificate import CertificateMapper
    from nmsd.server.gate import DirectoryGate
    from nmsd.server.throttle import make_throttles

    throttles = make_throttles(board.throttles, board.secret, config, time.monotonic)
    tokens = open_tokens(config, log)
    certificates = CertificateMapper(config, directory, log)
    return DirectoryGate(
        config, directory, store, throttles, log, time.monotonic, gevent.sleep, board.secret, tokens, certificates
    )


def open_tokens(config: Config, log: Log) -> Tokens | None:
    """What judges bearer tokens, where the settings have them taken."""
    from nmsd.directory.sasl_settings import KEY_SET

    if not config[KEY_SET]:
        return None
    from nmsd.directory.token import TokenKeys

    return TokenKeys(config, log)


def _open_back(config: Config, log: Log, board: Board, runtime: Runtime) -> Back:
    """What the console's worker works on."""
    from nmsd.cli.explain import steps
    from nmsd.console.back import Back
    from nmsd.directory import report
    from nmsd.directory.ldap_settings import HOSTS
    from nmsd.server.oust import Ousting
    from nmsd.server.throttle import make_throttles

    announcer = open_announcer(config)
    store = open_store(config, runtime, announcer)
    directory = open_directory(config, runtime, log)
    gate = _open_gate(config, directory, store, board, log)
    ousting = Ousting(directory, gate, log)
    gate.entered = ousting.entered
    getattr(directory, "start", lambda told: None)(ousting.changed)

    def close() -> None:
        store.close()
        announcer.close()

    return Back(
        gate,
        directory,
        store,
        ousting,
        users=None if config[HOSTS] else open_users(config),
        addresses=make_throttles(board.throttles, board.secret, config, time.monotonic)[0],
        explain=lambda login, service, address: steps(config, login, None, service, address),
        probe=lambda: report.try_servers(directory, config),
        links=lambda: report.links(directory),
        flush=lambda: report.flush(config.instance),
        close=close,
    )


class _Counted(Service, Protocol):
    @property
    def tally(self) -> Tally: ...


def _service_class(name: str) -> Callable[..., _Counted]:
    if name == "imap":
        from nmsd.imap.service import ImapService

        return ImapService
    if name == "pop":
        from nmsd.pop3.service import PopService

        return PopService
    if name == "lmtp":
        from nmsd.lmtp.service import LmtpService

        return LmtpService
    raise LookupError(name)
