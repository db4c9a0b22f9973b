"""Asking the other workers of the instance (server.inquiry answers), from within a worker."""

from __future__ import annotations

import json
from typing import Any, Final

from gevent import Timeout, socket

from nmsd.server.announce import SocketDirectory

_PATIENCE_S: Final = 10.0
"""A worker that answers no sooner is as good as gone; longer than a session that is told to go may take."""


class Siblings:
    """The workers whose sockets are in a directory, INSTANCE/run/workers."""

    def __init__(self, directory: SocketDirectory) -> None:
        self._directory = directory

    def ask(self, pid: int, message: dict[str, Any]) -> list[dict[str, Any]]:
        """What a worker answers; nothing if it does not, or is no more.  Blocks the greenlet."""
        answer = b""
        try:
            with Timeout(_PATIENCE_S, OSError("no answer")), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self._directory.address(pid))
                sock.sendall(json.dumps(message).encode() + b"\n")
                while data := sock.recv(1 << 16):
                    answer += data
        except OSError:
            return []
        if not answer.endswith(b"\n"):  # it ended in the middle of a line, or before the first
            return []
        facts = [json.loads(line) for line in answer.splitlines()]
        return facts[:-1] if facts[-1].get("ok") else []
