"""Signals become bytes on a socket the loop selects on; handlers do nothing else."""

from __future__ import annotations

import signal
import socket
from typing import Final

HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """The signals that came and were not yet taken.  `socket` is readable while there are some."""

    def __init__(self) -> None:
        self.socket, self._writer = socket.socketpair()
        self.socket.setblocking(False)
        self._writer.setblocking(False)

    def install(self) -> None:
        """From now on the signals come here.  SIGPIPE is ignored: writes say EPIPE."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, lambda number, frame: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def hold(self) -> None:
        """Keeps further signals for the program that is executed next, which gets them once it installs its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)

    def take(self) -> list[int]:
        """The signals that came, in order, each once; SIGCHLD may stand for many children."""
        try:
            came = self.socket.recv(4096)
        except BlockingIOError:
            return []
        return list(dict.fromkeys(came))
