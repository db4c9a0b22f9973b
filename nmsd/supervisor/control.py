"""The control socket: a request and an answer, one JSON object a line each, on INSTANCE/run/control.sock.

Security: the socket's mode lets only the supervisor's own user and root in, for whoever may write to it may stop
the server.  The console's worker, which runs as the server's user, has a socket of its own, run/console.sock: what may
be asked for there is what `is_for_console` lets through.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
from collections.abc import Callable
from typing import Any, Final

from nmsd.config.services import MAIL_SERVICES
from nmsd.model.errors import NmsdError
from nmsd.supervisor.unixpath import reachable

CONTROL: Final = "control.sock"
CONSOLE: Final = "console.sock"
CONSOLE_COMMANDS: Final = frozenset({"status", "reload"})
CONSOLE_SWITCHES: Final = frozenset({"start", "stop", "restart"})
"""What the console may ask for of a mail service, never of the server as a whole or of itself."""

_LONGEST_REQUEST: Final = 4096

Reply = Callable[[dict[str, Any]], None]
Handler = Callable[[dict[str, Any], Reply], None]


class NotRunning(NmsdError):
    """No supervisor answers for the instance."""


def control_path(instance: str, name: str = CONTROL) -> str:
    """Where an instance's control socket is."""
    return os.path.join(instance, "run", name)


def is_for_console(message: dict[str, Any]) -> bool:
    """Whether the console may ask for this."""
    command, service = message.get("command"), message.get("service")
    if command in CONSOLE_SWITCHES:
        return service in {each.name for each in MAIL_SERVICES}
    return command in CONSOLE_COMMANDS and service is None


def request(instance: str, message: dict[str, Any], timeout: float = 30.0, name: str = CONTROL) -> dict[str, Any]:
    """Asks the supervisor; `timeout` in seconds, `name` is the socket's.

    Raises NotRunning, NmsdError (no answer in time).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            with reachable(control_path(instance, name)) as path:
                sock.connect(path)
            sock.sendall(json.dumps(message).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                data = sock.recv(1 << 16)
                if not data:
                    raise NmsdError("the server ended before it answered; its log says why")
                answer += data
        except TimeoutError:
            raise NmsdError(f"the server did not answer within {timeout:.0f} s; log/nmsd.log may say why") from None
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            text = f"nmsd does not run on {instance}; `nmsd -I {instance} start` starts it"
            raise NotRunning(text) from None
        except PermissionError:
            raise NmsdError(f"not allowed to control nmsd on {instance}; try as root or as its user") from None
        except OSError as error:
            raise NmsdError(f"cannot talk to nmsd on {instance}: {error.strerror or error}") from None
    found = json.loads(answer)
    return found if isinstance(found, dict) else {}


class Control:
    """The supervisor's end.  `handler` gets each request with the function that answers it, now or later; `owner` is
    the user and group that the socket belongs to, if not this process's."""

    def __init__(
        self,
        instance: str,
        selector: selectors.BaseSelector,
        handler: Handler,
        name: str = CONTROL,
        owner: tuple[int, int] | None = None,
    ) -> None:
        self._path = control_path(instance, name)
        self._selector = selector
        self._handler = handler
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.lexists(self._path):
            os.unlink(self._path)
        with reachable(self._path) as path:
            self._socket.bind(path)
            os.chmod(path, 0o600)
            if owner is not None:
                os.chown(path, *owner, follow_symlinks=False)
        self._socket.listen(16)
        self._socket.setblocking(False)
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Answers nobody any more."""
        self._selector.unregister(self._socket)
        self._socket.close()
        if os.path.lexists(self._path):
            os.unlink(self._path)

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        client.setblocking(False)
        buffer = bytearray()
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client, buffer))

    def _read(self, client: socket.socket, buffer: bytearray) -> None:
        try:
            data = client.recv(_LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if data and b"\n" not in buffer and len(buffer) < _LONGEST_REQUEST:
            return
        self._selector.unregister(client)

        def reply(answer: dict[str, Any]) -> None:
            # The one answer is small or goes to a client that waits for it; it must not stop the loop for long.
            with client:
                client.settimeout(1.0)
                try:
                    client.sendall(json.dumps(answer).encode() + b"\n")
                except OSError:
                    pass

        try:
            message = json.loads(bytes(buffer).split(b"\n")[0])
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and all(isinstance(value, str | int | float | None) for value in message.values()):
            self._handler(message, reply)
        else:
            reply({"ok": False, "error": "not a request"})
