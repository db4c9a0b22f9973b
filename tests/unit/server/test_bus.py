"""The board, stamps and wake-ups, within a process and between processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.server import board as boards
from nmsd.server.announce import Announcer, SocketDirectory
from nmsd.server.board import Board, account_slot
from nmsd.server.bus import Bus
from nmsd.server.turns import Turns
from tests.unit.server.server_stand import Stand

SCRIPT = """
import sys
from nmsd.server.announce import Announcer, SocketDirectory
from nmsd.server.board import Board
board = Board(sys.argv[1] + "/board")
announce = Announcer(board, SocketDirectory(sys.argv[1] + "/bus"))
for account in sys.stdin:
    announce(account.strip(), 1, 1)
    print(announce.stamp(account.strip()), flush=True)
"""


class Ear:
    """A watcher that counts."""

    def __init__(self) -> None:
        self.heard = 0

    def wake(self) -> None:
        self.heard += 1


class OtherProcess:
    """A process that announces on request."""

    def __init__(self, instance: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(instance)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def announce(self, account: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(account.encode() + b"\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def other(stand: Stand, tmp_path: Path) -> Iterator[OtherProcess]:
    process = OtherProcess(tmp_path)
    yield process
    process.process.communicate()


def dead_pid() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_stamp_stays_the_same_until_the_account_changes(stand: Stand) -> None:
    before = stand.bus.stamp("alice")
    assert stand.bus.stamp("alice") == before
    stand.bus.announce("bob", 1, 1)
    assert stand.bus.stamp("alice") == before
    stand.bus.announce("alice", 1, 1)
    assert stand.bus.stamp("alice") != before


def test_stamps_never_come_twice(stand: Stand) -> None:
    seen = set()
    for modseq in range(1000):
        stand.bus.announce("alice", 1, modseq)
        seen.add(stand.bus.stamp("alice"))
    assert len(seen) == 1000


def test_another_process_s_commit_changes_the_stamp_and_wakes_the_watcher(stand: Stand, other: OtherProcess) -> None:
    ear, deaf = Ear(), Ear()
    stand.bus.watch("alice", ear)
    stand.bus.watch("bob", deaf)
    stamp = other.announce("alice")
    assert stand.bus.stamp("alice") == stamp
    stand.settle(lambda: ear.heard == 1)
    assert deaf.heard == 0


def test_more_announcements_than_the_socket_holds_lose_no_watcher(stand: Stand, other: OtherProcess) -> None:
    ears = {f"user{number}": Ear() for number in range(500)}
    for account, ear in ears.items():
        stand.bus.watch(account, ear)
    for account in ears:  # nothing is read meanwhile: this does not give the hub a turn
        other.announce(account)
    stand.settle(lambda: all(ear.heard for ear in ears.values()))


def test_changes_that_come_at_once_are_told_once(stand: Stand) -> None:
    ear = Ear()
    stand.bus.watch("alice", ear)
    for modseq in range(100):
        stand.bus.announce("alice", 1, modseq)
    stand.settle(lambda: ear.heard > 0)
    gevent.sleep(0.005)
    assert ear.heard == 1


def test_an_announcement_from_a_native_thread_reaches_the_hub(stand: Stand) -> None:
    threads: list[int] = []

    class Where(Ear):
        def wake(self) -> None:
            threads.append(threading.get_native_id())

    stand.bus.watch("alice", Where())
    thread = threading.Thread(target=stand.bus.announce, args=("alice", 1, 1))
    thread.start()
    stand.settle(lambda: bool(threads))
    thread.join()
    assert threads == [threading.get_native_id()]


def test_all_watchers_of_an_account_are_woken_until_they_stop_watching(stand: Stand) -> None:
    ears = [Ear() for _ in range(3)]
    for ear in ears:
        stand.bus.watch("alice", ear)
    stand.bus.unwatch("alice", ears[1])
    stand.bus.announce("alice", 1, 1)
    stand.settle(lambda: ears[2].heard == 1)
    assert [ear.heard for ear in ears] == [1, 0, 1]
    for ear in ears:
        stand.bus.unwatch("alice", ear)
    assert stand.bus.watching() == 0
    assert not stand.board.is_watched(stand.board.number, account_slot("alice"))


def test_many_watchers_of_one_account_are_woken_in_slices(stand: Stand) -> None:
    class Slow(Ear):
        def wake(self) -> None:
            super().wake()
            end = threading.Event()
            end.wait(0.001)

    ears = [Slow() for _ in range(50)]
    for ear in ears:
        stand.bus.watch("alice", ear)
    others: list[int] = []
    stand.bus.announce("alice", 1, 1)
    timer = gevent.get_hub().loop.timer(0.001, 0.001)
    timer.start(lambda: others.append(sum(ear.heard for ear in ears)))
    stand.settle(lambda: all(ear.heard == 1 for ear in ears))
    timer.stop()
    assert len({count for count in others if 0 < count < 50}) > 1


def test_the_sockets_of_dead_workers_are_removed(tmp_path: Path) -> None:
    sockets = SocketDirectory(str(tmp_path / "bus"))
    pid = dead_pid()
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(sockets.address(pid))
    board = Board(str(tmp_path / "board"))
    board.claim("imap", 0)
    bus = Bus(board, sockets, os.getpid(), Turns())
    assert sockets.pids() == [os.getpid()]
    bus.close()
    assert sockets.pids() == []


def test_a_worker_that_died_watching_is_no_reason_to_fail(stand: Stand, tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from nmsd.server.board import Board\n"
        "board = Board(sys.argv[1])\n"
        "board.claim('imap', 1)\n"
        "board.watch(int(sys.argv[2]), True)\n"
        "os._exit(1)\n"
    )
    slot = account_slot("alice")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "board"), str(slot)], env=environment)
    assert len(stand.board.rows()) == 2
    stand.bus.announce("alice", 1, 1)


def test_a_path_too_long_for_a_socket_address_does_not_matter(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    board = Board(str(deep / "board"))
    board.claim("imap", 0)
    bus = Bus(board, SocketDirectory(str(deep / "bus")), os.getpid(), Turns())
    bus.close()


# The board


def test_the_row_of_a_worker_that_died_is_free_again_and_all_stamps_are_new(tmp_path: Path) -> None:
    path = str(tmp_path / "board")
    board = Board(path)
    board.claim("imap", 0)
    stamp = board.stamps[7]
    board._set(boards._PID, dead_pid())
    again = Board(path)
    again.claim("imap", 1)
    assert again.number == board.number
    assert again.stamps[7] != stamp


def test_a_worker_that_frees_its_row_leaves_the_stamps_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "board")
    board = Board(path)
    board.claim("imap", 0)
    stamps = board.stamps.tolist()
    board.close()
    again = Board(path)
    assert again.rows() == []
    again.claim("imap", 0)
    assert again.stamps.tolist() == stamps


def test_a_board_with_no_free_row_says_so(tmp_path: Path) -> None:
    board = Board(str(tmp_path / "board"))
    board.claim("imap", 0)
    for number in range(boards.WORKERS):
        board._number = number
        board._set(boards._PID, os.getppid())
        board.beat(0, 0, boards.READY)
    with pytest.raises(RuntimeError):
        Board(str(tmp_path / "board")).claim("imap", 1)


def test_siblings_are_the_live_ready_workers_of_the_same_service(tmp_path: Path) -> None:
    path = str(tmp_path / "board")
    mine = Board(path)
    mine.claim("imap", 0)
    others = []
    for number, (service, state) in enumerate(
        [("imap", boards.READY), ("imap", boards.DRAINING), ("pop", boards.READY), ("imap", boards.READY)], start=1
    ):
        other = Board(path)
        other._number = number
        other._set(boards._PID, os.getppid())
        other._set(boards._SERVICE, int.from_bytes(service.encode(), "little"))
        other.beat(number, 10, state)
        others.append(other)
    others[3]._set(boards._BEAT, 0)
    assert [(row.number, row.service, row.sessions, row.max_sessions) for row in mine.siblings("imap")] == [
        (1, "imap", 1, 10)
    ]


@given(st.text())
def test_every_name_has_a_slot(account: str) -> None:
    assert 0 <= account_slot(account) < boards.ACCOUNTS


def test_the_announcer_works_with_no_worker_there(tmp_path: Path) -> None:
    announce = Announcer(Board(str(tmp_path / "board")), SocketDirectory(str(tmp_path / "bus")))
    announce("alice", 1, 1)
    assert announce.stamp("alice") != 0
    announce.close()
