"""systemd's notify protocol: one datagram a state, to the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket


class Notify:
    """Tells the service manager, if there is one."""

    def __init__(self, address: str) -> None:
        """`address` is NOTIFY_SOCKET's value, '' without a manager."""
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def __call__(self, *lines: str) -> None:
        """Sends `READY=1` and the like.  A manager that does not listen is no reason to fail."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                pass


def take_watchdog(environ: dict[str, str]) -> float:
    """How often, in seconds, the manager wants WATCHDOG=1 (half of what it allows); 0: never.

    Removes systemd's variables from `environ`, so that workers do not believe they are meant.
    """
    environ.pop("NOTIFY_SOCKET", None)
    microseconds = environ.pop("WATCHDOG_USEC", "")
    pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
    return int(microseconds) / 2e6 if microseconds.isdigit() and pid == str(os.getpid()) else 0.0
