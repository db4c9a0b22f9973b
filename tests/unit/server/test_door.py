"""Who comes to a worker's door: let in at once, kept out, or kept waiting for a name; and how many may wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest

from nmsd.config.admission import IMAP
from nmsd.config.setting import Config
from nmsd.server.admission import Admission
from nmsd.server.announce import SocketDirectory
from nmsd.server.crowd import Crowd
from nmsd.server.names import Names
from nmsd.server.siblings import Siblings
from nmsd.server.worker import Worker
from nmsd.wire.protocol import Peer
from tests.unit.server.server_stand import Stand


class Porch:
    """A worker's door; the name server answers when it is let."""

    def __init__(self, stand: Stand, instance: Path, deny: str, waiting: int) -> None:
        self.stand = stand
        self.answering = threading.Event()
        config = Config({IMAP.not_allowed.name: IMAP.not_allowed.kind.parse(deny)})
        names = Names(config, lambda: stand.time, self._look_up)
        siblings = Siblings(SocketDirectory(str(instance / "workers")))
        settings = replace(IMAP, name="imap")
        crowd = Crowd(stand.board, stand.sessions, siblings, config, settings, stand.log, lambda: stand.time)
        self.worker = Worker(
            stand.pump,
            stand.board,
            (),
            processes=1,
            index=0,
            status_fd=-1,
            stop_seconds=lambda: 5.0,
            on_reload=lambda: (1, 1),
            counters=dict,
            admission=Admission(config, settings, names, crowd, stand.log),
            most_doubts=lambda: waiting,
        )
        self._sockets: list[Any] = []

    def _look_up(self, address: str) -> str:
        self.answering.wait(30)
        return "bad.example.org" if address == "192.0.2.66" else "good.example.com"

    def come(self, address: str) -> Any:
        """A client's end of a new connection."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.worker.come_in(ours, Peer(address, 1, "192.0.2.25", 143), False)
        client = gevent.socket.socket(fileno=theirs.detach())
        self._sockets.append(client)
        return client

    def close(self) -> None:
        self.answering.set()
        for client in self._sockets:
            client.close()


Maker = Callable[..., Porch]


@pytest.fixture
def make_porch(stand: Stand, tmp_path: Path) -> Iterator[Maker]:
    made: list[Porch] = []

    def make(deny: str = "imap: .example.org, 198.51.100.1", waiting: int = 2) -> Porch:
        made.append(Porch(stand, tmp_path, deny, waiting))
        return made[-1]

    yield make
    for porch in made:
        porch.close()


def test_who_is_known_by_his_address_does_not_wait_for_a_name(make_porch: Maker) -> None:
    porch = make_porch(deny="imap: 198.51.100.1, .example.org")
    assert porch.come("198.51.100.1").recv(100) == b"unwelcome\n"
    assert porch.worker.doubts == 0


def test_who_waits_for_his_name_holds_neither_session_nor_slot_and_then_hears_the_verdict(make_porch: Maker) -> None:
    porch = make_porch()
    good, bad = porch.come("192.0.2.1"), porch.come("192.0.2.66")
    assert (porch.worker.doubts, len(porch.stand.sessions), porch.stand.commands.busy) == (2, 0, 0)
    porch.answering.set()
    assert good.recv(100) == b"hello\n"
    assert bad.recv(100) == b"unwelcome\n"
    assert bad.recv(100) == b""
    assert porch.worker.doubts == 0
    assert porch.come("192.0.2.1").recv(100) == b"hello\n"  # known by now: no need to wait
    assert porch.worker.facts()["kept_out"] == 1


def test_one_more_than_may_wait_is_told_to_come_again(make_porch: Maker) -> None:
    porch = make_porch(waiting=2)
    waiting = [porch.come(f"192.0.2.{last}") for last in (1, 2)]
    assert porch.come("192.0.2.3").recv(100) == b"busy\n"
    porch.answering.set()
    assert [client.recv(100) for client in waiting] == [b"hello\n"] * 2
    assert porch.come("192.0.2.3").recv(100) == b"hello\n"


def test_who_is_at_the_door_when_the_worker_drains_is_still_let_in(make_porch: Maker) -> None:
    porch = make_porch()
    running = gevent.spawn(porch.worker.run)
    porch.stand.settle(lambda: porch.worker.facts()["state"] == "ready")
    client = porch.come("192.0.2.1")
    porch.worker.drain()
    gevent.sleep(0.01)
    assert not running.ready()
    porch.answering.set()
    assert client.recv(100) == b"hello\n"
    client.sendall(b"quit\n")
    assert client.recv(100) == b"bye\n"
    running.join(20)
    assert running.successful()


def test_who_is_at_the_door_when_the_worker_stops_gets_no_session(make_porch: Maker) -> None:
    porch = make_porch()
    running = gevent.spawn(porch.worker.run)
    porch.stand.settle(lambda: porch.worker.facts()["state"] == "ready")
    client = porch.come("192.0.2.1")
    porch.worker.stop()
    porch.answering.set()
    assert client.recv(100) == b"busy\n"
    running.join(20)
    assert running.successful()
