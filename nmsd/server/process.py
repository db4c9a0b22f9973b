"""A worker's process from its orders to its exit status: what every service needs is made here, the service by `open`.

The process is cooperative already (server.patch).
"""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gevent.hub import get_hub

from nmsd.config.admission import ADMISSION
from nmsd.config.launch import Launch
from nmsd.config.problem import ConfigError, Problem
from nmsd.config.services import CERTIFICATE, SERVICES, ServiceSettings
from nmsd.config.setting import Config
from nmsd.server.admission import Admission
from nmsd.server.announce import SocketDirectory
from nmsd.server.board import Board
from nmsd.server.bus import Bus
from nmsd.server.commands import CommandPool
from nmsd.server.crowd import Crowd
from nmsd.server.inquiry import Answer, Inquiry
from nmsd.server.limits import Budget, fit, shortages
from nmsd.server.names import Names
from nmsd.server.pool import SessionPool
from nmsd.server.pump import Pump
from nmsd.server.runtime import GeventRuntime
from nmsd.server.sessionlog import SessionLog
from nmsd.server.settings import DESCRIPTOR_RESERVE, NAME_WAITING, NATIVE_THREADS, READ_TIMEOUT, WRITE_TIMEOUT
from nmsd.server.siblings import Siblings
from nmsd.server.tls import Certificates
from nmsd.server.turns import Turns
from nmsd.server.worker import Worker
from nmsd.wire.protocol import Log, Service

# Objects of parked sessions live long and hold no cycles: looking at all of them often would cost and find nothing.
_GC_THRESHOLD: Final = (50_000, 20, 50)


@dataclass(frozen=True)
class Tools:
    """What a service is made with."""

    config: Config
    log: Log
    runtime: GeventRuntime
    board: Board
    bus: Bus
    store_files: int
    """How many files the store may hold open."""


@dataclass(frozen=True)
class Opened:
    """A service, and what comes with it.

    `counters` gives facts for the status lines; `tally` gives how its commands ended, by name and outcome, `figures`
    more for whoever asks for counters: histograms as "latency", by what took its time, and plain numbers; `answers` are
    inquiries it answers; `duties` are called every second in the hub and may not wait; `attach` is told the worker;
    `close` is called at the end.
    """

    service: Service
    counters: Callable[[], dict[str, Any]] = dict
    tally: Callable[[], dict[str, dict[str, int]]] = dict
    figures: Callable[[], dict[str, Any]] = dict
    answers: Mapping[str, Answer] = field(default_factory=dict)
    duties: Sequence[Callable[[], None]] = field(default=())
    attach: Callable[[Worker], None] = lambda worker: None
    close: Callable[[], None] = lambda: None


def settings_of(service: str) -> ServiceSettings:
    """The family of settings of a service.  Raises LookupError."""
    for settings in SERVICES:
        if settings.name == service:
            return settings
    raise LookupError(service)


def run(
    launch: Launch,
    config: Config,
    log: Log,
    *,
    settings: ServiceSettings,
    store_files: int,
    stop_seconds: Callable[[], float],
    open_service: Callable[[Tools], Opened],
    reread: Callable[[], None] = lambda: None,
) -> int:
    """Serves until told to end; gives the exit status.  `store_files` is how many files the store would like to hold
    open; `reread` brings `config` and `log` up to date at a reload.
    Raises ConfigError."""
    log = SessionLog(log)
    hub: Any = get_hub()
    hub.print_exception = lambda context, kind, value, trace: _log_stray(log, context, kind, value, trace)
    certificates = Certificates(config, log, time.time, settings.certificates)
    if config[CERTIFICATE] and not certificates.available():
        path = config.path(CERTIFICATE)
        raise ConfigError([Problem("cannot be used", "the line before says why", name=CERTIFICATE.name, value=path)])
    turns = Turns()
    board = Board(launch.board)
    board.claim(launch.service, launch.index)
    bus = Bus(board, SocketDirectory(os.path.join(launch.instance, "run", "bus")), os.getpid(), turns)
    runtime = GeventRuntime(min(config[NATIVE_THREADS], config[settings.max_threads]))
    budget = fit(config[settings.max_sessions], config[DESCRIPTOR_RESERVE], store_files)
    _tell(log, budget)
    if budget.hopeless:
        raise ConfigError([one.problem for one in shortages(config, {}, {settings: store_files}, budget.limit)])
    opened = open_service(Tools(config, log, runtime, board, bus, budget.files))
    pump = Pump(
        opened.service,
        sessions=SessionPool(budget.sessions),
        commands=CommandPool(config[settings.max_threads], log),
        turns=turns,
        bus=bus,
        certificates=certificates,
        log=log,
        clock=time.monotonic,
        read_timeout=config[READ_TIMEOUT],
        write_timeout=config[WRITE_TIMEOUT],
        name=f"{launch.service}{launch.index}-{os.getpid():x}",
    )

    def reload() -> tuple[int, int]:
        reread()
        certificates.refresh()
        pump.read_timeout, pump.write_timeout = config[READ_TIMEOUT], config[WRITE_TIMEOUT]
        renewed = fit(config[settings.max_sessions], config[DESCRIPTOR_RESERVE] + budget.files)
        _tell(log, renewed)
        return renewed.sessions, config[settings.max_threads]

    asked = SocketDirectory(os.path.join(launch.instance, "run", "workers"))
    admission = None
    if settings.name in ADMISSION:
        chosen = ADMISSION[settings.name]
        crowd = Crowd(board, pump.sessions, Siblings(asked), config, chosen, log, time.monotonic)
        admission = Admission(config, chosen, Names(config, time.monotonic), crowd, log)
    worker = Worker(
        pump,
        board,
        launch.listeners,
        processes=config[settings.num_processes],
        index=launch.index,
        status_fd=launch.status_fd,
        stop_seconds=stop_seconds,
        on_reload=reload,
        counters=lambda: {"wanted_sessions": config[settings.max_sessions], **opened.counters()},
        duties=(certificates.refresh, *opened.duties),
        admission=admission,
        most_doubts=lambda: config[NAME_WAITING],
    )
    opened.attach(worker)
    answers = {**(admission.crowd.answers() if admission is not None else {}), **opened.answers}
    inquiry = Inquiry(worker, board, asked, os.getpid(), opened.tally, opened.figures, answers)
    inquiry.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)
    try:
        worker.run()
    finally:
        inquiry.close()
        opened.close()
        bus.close()
        board.close()
    return 0


def _tell(log: Log, budget: Budget) -> None:
    if budget.lowered:
        log(
            "Warning", "General", "too few file descriptors: fewer sessions than configured",
            sessions=budget.sessions, wanted=budget.wanted, limit=budget.limit, needed=budget.needed,
        )  # fmt: skip


def _log_stray(log: Log, context: Any, kind: Any, value: Any, trace: Any) -> None:
    # What escapes a greenlet or callback of gevent's own; it would go to standard error.
    text = "".join(traceback.format_exception(kind, value, trace))
    log("Error", "General", "unexpected exception", context=repr(context), trace=text)
