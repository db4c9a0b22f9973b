"""A running server for transcripts: the same dialogues, through sockets, the pump and a worker process."""

from __future__ import annotations

import re
import select
import socket
import time

from tests.clients.harness import HOST, Instance, Line, login
from tests.transcripts.runner import FixtureMessage, Scenario

_COMMAND = re.compile(rb"(c\d+x\d+|in) ")  # the tags that the runner gives
_NEEDS_CORE = re.compile(r"C\d+~|C\d+\|(?! DONE$)|time |heartbeat ")
_DATE = b'"01-Jan-2024 10:00:00 +0000"'
_QUIET_S = 0.2
_PATIENCE_S = 20


def is_for_core_only(scenario: Scenario) -> bool:
    """Whether it needs what a server that all scenarios share cannot give: settings, a clock, raw bytes."""
    is_special = bool(scenario.settings or scenario.quota or scenario.peer or not scenario.logs_in)
    return is_special or any(_NEEDS_CORE.match(line) for _, line in scenario.lines)


class LiveClient:
    """One connection.

    A command is answered once its tagged answer or a "+" has come.  What comes unasked, to an IDLE client, has no such
    end: it is all there when nothing has come for a moment.
    """

    def __init__(self, instance: Instance) -> None:
        self._socket = socket.create_connection((HOST, instance.port(143)), timeout=_PATIENCE_S)
        self._said = b""
        self._tag = b"*"  # what the greeting begins with
        self._is_greeted = False
        self._is_idle = False

    def send(self, data: bytes) -> None:
        self._said += data
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # the server has closed; what it said last is still to be read

    def received(self) -> bytes:
        said, self._said = self._said, b""
        command = _COMMAND.match(said)
        if command is not None:
            self._tag = command.group(1)
        if said:
            self._is_idle = False
        data = b""
        if said or not self._is_greeted:
            self._is_greeted = True
            data = self._read_answer()
            self._is_idle = data.endswith(b"+ idling\r\n") or b"+ idling\r\n* " in data
        return data + self._read_rest(_QUIET_S if self._is_idle and not said else 0)

    def _read_answer(self) -> bytes:
        data = b""
        while more := self._read(_PATIENCE_S):
            data += more
            if data.endswith(b"\r\n") and data[:-2].rpartition(b"\n")[2].startswith((self._tag + b" ", b"+ ")):
                break
        return data

    def _read_rest(self, patience: float) -> bytes:
        data = b""
        until = time.monotonic() + patience
        while more := self._read(max(until - time.monotonic(), 0)):
            data += more
        return data

    def _read(self, patience: float) -> bytes:
        try:
            return self._socket.recv(1 << 16) if select.select([self._socket], [], [], patience)[0] else b""
        except OSError:
            return b""

    def pass_time(self, seconds: float) -> None:
        raise AssertionError("time cannot be made to pass here")

    def heartbeat(self) -> None:
        raise AssertionError("the timer cannot be called here")

    def close(self) -> None:
        self._socket.close()


class LiveServer:
    """A user of a running instance, with a scenario's fixtures."""

    def __init__(self, scenario: Scenario, instance: Instance) -> None:
        self._instance = instance
        self._person = instance.add_user()
        self.login = f'{self._person.name} "{self._person.password}"'.encode()
        with Line(instance.port(143)) as line:
            login(line, self._person)
            for name, messages in scenario.mailboxes:
                self._fill(line, name, messages)

    def _fill(self, line: Line, name: str, messages: list[FixtureMessage]) -> None:
        mailbox = b"{%d+}\r\n%s" % (len(name.encode()), name.encode())
        if name.upper() != "INBOX":
            line.ask(b"CREATE " + mailbox)  # it may be one that every account has
        for message in messages:
            flags = " ".join(message.flags).encode()
            size = len(message.data)
            command = b"APPEND %s (%s) %s ~{%d+}\r\n%s" % (mailbox, flags, _DATE, size, message.data)
            answer = line.ask(command)
            assert answer.startswith(b"t1 OK"), answer

    def connect(self) -> LiveClient:
        return LiveClient(self._instance)
