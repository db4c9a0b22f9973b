"""One worker process as the supervisor sees it: its pid, what it last said, what it was told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import Any, Final

_LONGEST_LINE: Final = 1 << 16
_KILL_AGAIN_S: Final = 5.0  # the system may take its time to end a process that waits for a disk
_LET_GO_S: Final = 5.0  # how long a worker that is to drain may take to say that it does
_LAST_WORD_S: Final = 1.0  # how long a hung worker has to write where it hangs


class Child:
    """A worker.  `status` is the supervisor's end of its status socket; times are of the monotonic clock."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        service: str,
        index: int,
        generation: int,
        snapshot: str,
        status: socket.socket,
        now: float,
    ) -> None:
        self.service = service
        self.index = index
        self.generation = generation
        self.snapshot = snapshot
        self.status = status
        self.report: dict[str, Any] = {}
        self.started = now
        self.heard = now
        self.kill_at: float | None = None
        self.killed_for = ""
        self.draining = False
        self.silent = False
        """It has closed its end of the status socket, and so is about to end."""
        self._told_at = 0.0
        self._asked_at: float | None = None
        self._process = process
        self._buffer = b""

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it has said that it accepts, and was not told to leave."""
        return bool(self.report) and not self.leaving

    @property
    def leaving(self) -> bool:
        """Whether it was told to drain or to stop."""
        return self.draining or self.kill_at is not None

    @property
    def takes_clients(self) -> bool:
        """Whether it was told to take no new clients and may do so all the same; one that hangs is not waited for."""
        if not self.draining or self.silent or self.report.get("state") == "draining":
            return False
        return time.monotonic() - self._told_at < _LET_GO_S

    def listen(self, now: float) -> bool:
        """Reads what it says.  True when this was its first word, that it is ready."""
        was_silent = not self.report
        while True:
            try:
                data = self.status.recv(_LONGEST_LINE)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            if not data:
                self.silent = True
                break
            self.heard = now
            if self._asked_at is not None:  # it only seemed to hang
                self._asked_at, self.killed_for = None, ""
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._buffer = self._buffer[-_LONGEST_LINE:]
            for line in lines:
                self._take(line)
        return was_silent and bool(self.report)

    def _take(self, line: bytes) -> None:
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(report, dict):
            self.report = report

    def drain(self) -> None:
        """Tells it to take no new clients and to end with its last session."""
        self.draining = True
        self._told_at = time.monotonic()
        self._send(signal.SIGUSR1)

    def refresh(self, snapshot: str) -> None:
        """Tells it to take the live settings of a newer snapshot, and to read its certificates again."""
        with suppress(OSError):  # without it, the worker keeps the settings it has
            # A service's workers of one generation share it; renaming onto another name of the same file does nothing.
            if not os.path.exists(self.snapshot) or not os.path.samefile(snapshot, self.snapshot):
                fresh = self.snapshot + ".new"
                os.link(snapshot, fresh)
                os.replace(fresh, self.snapshot)
        self._send(signal.SIGHUP)

    def stop(self, kill_at: float) -> None:
        """Tells it to say farewell and end; what is left of it at `kill_at` is killed."""
        if self.kill_at is None:
            self.kill_at = kill_at
            self._send(signal.SIGTERM)

    def kill(self, why: str, now: float) -> None:
        """Ends it at once, for a reason that is logged."""
        self.killed_for = self.killed_for or why
        self._send(signal.SIGKILL)
        if self.kill_at is not None:
            self.kill_at = now + _KILL_AGAIN_S

    def kill_hung(self, why: str, now: float) -> None:
        """Has it write to standard error where each of its threads is (config.launch), and a moment later ends it.
        Called each turn until it is gone."""
        if self._asked_at is None:
            self._asked_at = now
            self.killed_for = self.killed_for or why
            self._send(signal.SIGQUIT)
        elif now - self._asked_at >= _LAST_WORD_S:
            self.kill(why, now)

    def ended(self, code: int) -> None:
        """It is no more: waitpid gave this status."""
        self._process.returncode = code
        self.status.close()

    def _send(self, number: int) -> None:
        # It is not reaped yet, so the number is still its own.
        os.kill(self.pid, number)
