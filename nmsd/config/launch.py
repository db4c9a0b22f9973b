"""What the supervisor tells a worker when it starts it, as the worker's command line.

The supervisor executes `nmsd -I DIR worker SERVICE --index N --listen FD:KIND … --status FD --config FILE --board FILE`
(and `--echo`).  The inherited descriptors are listening sockets, not blocking, and for `--status` one end of a socket
pair:

- The worker writes one JSON object a line to it: {"state": "ready" | "full" | "draining", "pid": …, "sessions": n,
  "max_sessions": n, …}; the first when it accepts, then about every second while something changes, and at least every
  ten seconds.  A worker that says nothing for local.workertimeout seconds is taken for hung and killed.
- End of file on it means that the supervisor is gone: the worker says farewell to its sessions and exits at once, so
  that the next supervisor can bind.

Signals: SIGTERM: farewell to every session, exit within local.stoptimeout seconds.  SIGUSR1: close the listeners, let
the sessions end by themselves, exit after the last.  SIGHUP: reopen the logs, reload certificates.  SIGQUIT: write to
standard error where each thread is, as a hung worker is asked to before it is killed.  SIGINT comes only from a
terminal and is the supervisor's business.

Exit status: 0 after SIGTERM, SIGUSR1 or end of file; EX_CONFIG (78) when the settings make starting pointless: it is
not tried again; anything else is a failure and the worker is started again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EX_CONFIG: Final = 78
BOARD_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Listener:
    """An inherited listening socket; `kind` is plain, tls or unix as in config.endpoints."""

    fd: int
    kind: str


@dataclass(frozen=True)
class Launch:
    """A worker's orders.

    `config` is the file with the values in force (config.load.read_snapshot), `board` the shared-memory file of all
    workers (BOARD_BYTES long, zeroed when the supervisor started).  `echo`: log lines go to standard error, too.
    """

    instance: str
    service: str
    index: int
    listeners: tuple[Listener, ...]
    status_fd: int
    config: str
    board: str
    echo: bool = False

    def arguments(self) -> list[str]:
        """The command line after the program's name."""
        listed = [word for listener in self.listeners for word in ("--listen", f"{listener.fd}:{listener.kind}")]
        return [
            *("-I", self.instance, "worker", self.service, "--index", str(self.index), *listed),
            *("--status", str(self.status_fd), "--config", self.config, "--board", self.board),
            *(("--echo",) if self.echo else ()),
        ]

    def descriptors(self) -> tuple[int, ...]:
        """The descriptors the worker inherits, besides standard ones."""
        return (*(listener.fd for listener in self.listeners), self.status_fd)


def parse_listener(text: str) -> Listener:
    """`FD:KIND`.  Raises ValueError."""
    number, _, kind = text.partition(":")
    if kind not in ("plain", "tls", "unix"):
        raise ValueError(f"{text}: not FD:plain, FD:tls or FD:unix")
    return Listener(int(number), kind)
