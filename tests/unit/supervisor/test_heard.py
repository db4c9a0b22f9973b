"""What others say to the supervisor, and to those who ask workers, may be anything and be cut anywhere."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nmsd.model.errors import NmsdError
from nmsd.server.announce import SocketDirectory
from nmsd.server.siblings import Siblings
from nmsd.supervisor.child import Child
from nmsd.supervisor.control import Control, control_path
from nmsd.supervisor.inquiry import ask_worker, socket_directory

NESTED = b"[" * 4000
PID = 4711


def test_a_worker_that_reports_nonsense_is_not_heard() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    child = Child(process, "imap", 0, 1, "", ours, 0.0)
    with theirs:
        theirs.sendall(NESTED + b"\n\n{]\n7\n")
        assert not child.listen(1.0)
        theirs.sendall(json.dumps({"state": "ready"}).encode() + b"\n")
        assert child.listen(1.0)
    child.ended(0)
    assert child.report == {"state": "ready"}


@pytest.mark.parametrize("request_line", [NESTED[:4000], b"7", b"{]", b"", b'{"command": [1]}'])
def test_what_is_no_request_is_answered_and_does_no_harm(tmp_path: Path, request_line: bytes) -> None:
    (tmp_path / "run").mkdir()
    selector = selectors.DefaultSelector()
    heard: list[Any] = []
    control = Control(str(tmp_path), selector, lambda message, reply: heard.append(message))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(control_path(str(tmp_path)))
        client.sendall(request_line + b"\n")
        for _ in range(2):  # accept, read
            for key, _ in selector.select(10):
                key.data()
        assert json.loads(client.recv(4096)) == {"ok": False, "error": "not a request"}
    assert heard == []
    control.close()


@contextmanager
def worker(instance: Path, answer: bytes) -> Iterator[None]:
    """One that gives this answer, and ends."""
    os.makedirs(socket_directory(str(instance)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(socket_directory(str(instance)), f"{PID}.sock"))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


@pytest.mark.parametrize("answer", [b"", b'{"id": 1}\n', b'{"id": 1}\n{"id', b'{"id": 1}\n{"ok": true}'])
def test_the_answer_of_a_worker_that_died_over_it_is_none(tmp_path: Path, answer: bytes) -> None:
    with worker(tmp_path / "one", answer), pytest.raises(NmsdError, match="did not answer"):
        ask_worker(str(tmp_path / "one"), PID, {"command": "sessions"})
    with worker(tmp_path / "two", answer):
        assert Siblings(SocketDirectory(socket_directory(str(tmp_path / "two")))).ask(PID, {"command": "crowd"}) == []
