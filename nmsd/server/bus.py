"""The change bus in a worker: wakes the sessions that watch an account when any process has committed to it.

What is watched is the account's hash on the board: sessions of another account with the same hash are woken for
nothing, which costs them a look at the change log.
"""

from __future__ import annotations

from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM
from _socket import socket as Socket
from collections import deque
from typing import Any, Final, Protocol

from gevent.hub import get_hub

from nmsd.server.announce import Announcer, SocketDirectory
from nmsd.server.board import Board, account_slot
from nmsd.server.turns import Turns

_POKES: Final = 64  # read in one go


class Watcher(Protocol):
    """Who watches an account."""

    def wake(self) -> None:
        """The account may have changed.  Called in the hub; must not raise or wait."""


class Bus:
    """One worker's end of the bus; wire.protocol.Changes, and store.api.Announce by `announce`."""

    def __init__(self, board: Board, sockets: SocketDirectory, pid: int, turns: Turns) -> None:
        self._board = board
        self._sockets = sockets
        self._pid = pid
        self._turns = turns
        self._announcer = Announcer(board, sockets)
        self._watchers: dict[int, Watcher | set[Watcher]] = {}
        self._changed: deque[int] = deque()
        self._due: list[Watcher] = []
        loop: Any = get_hub().loop
        self._signal: Any = loop.async_(ref=False)
        self._signal.start(self._deliver)
        for stale in sockets.pids():
            if stale == pid or all(row.pid != stale for row in board.rows()):
                sockets.remove(stale)
        self._socket = Socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._socket.bind(sockets.address(pid))
        self._pokes: Any = loop.io(self._socket.fileno(), 1, ref=False)
        self._pokes.start(self._on_poke)

    def announce(self, account: str, mailbox_id: int, modseq: int) -> None:
        """Tells everyone of a commit, in this process and others.  In any thread."""
        slot = account_slot(account)
        self._announcer.tell(slot)
        if slot in self._watchers:
            self._changed.append(slot)
            self._signal.send()

    def stamp(self, account: str) -> int:
        """A number that is different after every commit to the account by any process."""
        return self._announcer.stamp(account)

    def watch(self, account: str, watcher: Watcher) -> None:
        """Has the watcher woken from now on."""
        slot = account_slot(account)
        there = self._watchers.get(slot)
        if there is None:
            self._watchers[slot] = watcher
            self._board.watch(slot, True)
        elif isinstance(there, set):
            there.add(watcher)
        else:
            self._watchers[slot] = {there, watcher}

    def unwatch(self, account: str, watcher: Watcher) -> None:
        """Has it woken no more."""
        slot = account_slot(account)
        there = self._watchers.get(slot)
        if isinstance(there, set):
            there.discard(watcher)
            if there:
                return
        elif there is not watcher:
            return
        del self._watchers[slot]
        self._board.watch(slot, False)

    def watching(self) -> int:
        """How many hashes are watched."""
        return len(self._watchers)

    def close(self) -> None:
        """Ends."""
        self._signal.stop()
        self._pokes.stop()
        self._socket.close()
        self._sockets.remove(self._pid)
        self._announcer.close()

    def _on_poke(self) -> None:
        try:
            for _ in range(_POKES):
                self._socket.recv(16)
        except OSError:
            pass  # all are read; were there more, the callback comes again
        self._changed.extend(self._board.take_marks())
        self._deliver()

    def _deliver(self) -> None:
        # What changed several times by now is told once.
        slots: dict[int, None] = {}
        while self._changed:  # native threads add to it meanwhile
            slots[self._changed.popleft()] = None
        for slot in slots:
            there = self._watchers.get(slot)
            if isinstance(there, set):
                self._due.extend(there)
            elif there is not None:
                self._due.append(there)
        due = self._due
        self._due = []
        for count, watcher in enumerate(due):
            watcher.wake()
            if self._turns.due():
                self._due = due[count + 1 :] + self._due
                break
        if self._due:
            self._signal.send()
