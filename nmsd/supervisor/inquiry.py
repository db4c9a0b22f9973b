"""Asking the workers themselves: their sessions and counters, and to end sessions (server.inquiry answers).

The supervisor says which workers there are; it does not carry what they tell, for that may be long.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from nmsd.model.errors import NmsdError
from nmsd.supervisor.control import request
from nmsd.supervisor.unixpath import reachable


def socket_directory(instance: str) -> str:
    """Where the workers' sockets are: PID.sock."""
    return os.path.join(instance, "run", "workers")


def ask_workers(
    instance: str, message: dict[str, Any], service: str = "", status: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """What the workers, of one service or all, answer to the message.

    `status` is the supervisor's answer to that question, if the caller has it already.  A worker that ends meanwhile is
    left out.  Raises NotRunning, NmsdError.
    """
    told = request(instance, {"command": "status"}) if status is None else status
    for found in told.get("services", ()):
        if service and found["name"] != service:
            continue
        for worker in found["workers"]:
            yield from ask_worker(instance, int(worker["pid"]), message)


def ask_worker(instance: str, pid: int, message: dict[str, Any], timeout: float = 30.0) -> list[dict[str, Any]]:
    """What one worker answers, nothing if it is not there (any more).  Raises NmsdError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            with reachable(os.path.join(socket_directory(instance), f"{pid}.sock")) as path:
                sock.connect(path)
            sock.sendall(json.dumps(message).encode() + b"\n")
            answer = b"".join(iter(lambda: sock.recv(1 << 16), b""))
        except (FileNotFoundError, ConnectionError):
            return []
        except TimeoutError:
            raise NmsdError(f"worker {pid} did not answer within {timeout:.0f} s; its log may say why") from None
        except PermissionError:
            raise NmsdError(f"not allowed to ask workers of nmsd on {instance}; try as root or as its user") from None
    if not answer.endswith(b"\n"):  # it ended in the middle of a line, or before the first
        raise NmsdError(f"worker {pid} did not answer; its log says why")
    facts = [json.loads(line) for line in answer.splitlines()]
    if not facts[-1].get("ok"):
        raise NmsdError(f"worker {pid} did not answer; its log says why")
    return facts[:-1]
