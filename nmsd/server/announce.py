"""Telling all workers of a commit: a new stamp on the board, and a poke to the workers that watch the account.

Used by workers (through the Bus) and by commands that write to the store.  No gevent.  Safe in any thread.

Invariants: the stamp is written after the commit and before the writer is told.  A mark on the board is set before the
poke is sent, and the one who is poked takes its marks after it has read all pokes, so a poke that finds its queue full
loses nothing: there is another one in it.
"""

from __future__ import annotations

import os
import random
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM
from _socket import socket as Socket
from typing import Final

from nmsd.server.board import Board, account_slot

_POKE: Final = b"!"


class SocketDirectory:
    """The directory of the workers' sockets, INSTANCE/run/bus; addresses stay short however deep it lies."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, mode=0o700, exist_ok=True)
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def address(self, pid: int) -> str:
        """Where the worker with this number listens."""
        return f"/proc/self/fd/{self._fd}/{pid}.sock"

    def remove(self, pid: int) -> None:
        """Takes a socket away, if there is one."""
        try:
            os.unlink(f"{pid}.sock", dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def pids(self) -> list[int]:
        """Whose sockets there are."""
        return [int(name[:-5]) for name in os.listdir(self._fd) if name.endswith(".sock") and name[:-5].isdecimal()]

    def close(self) -> None:
        """Lets the directory go."""
        os.close(self._fd)


class Announcer:
    """What is called after each commit (store.api.Announce)."""

    def __init__(self, board: Board, sockets: SocketDirectory) -> None:
        self._board = board
        self._sockets = sockets
        self._socket = Socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._random = random.Random(os.urandom(16))
        self._peers: list[tuple[int, str]] = []
        self._generation = -1

    def __call__(self, account: str, mailbox_id: int, modseq: int) -> None:
        """Tells of a commit.  Which mailbox and modseq is for the change log to say: who is woken reads it."""
        self.tell(account_slot(account))

    def tell(self, slot: int) -> None:
        """Tells that an account with this hash has changed."""
        board = self._board
        # Any number that was not there before will do; a counter would not, for two processes may write at once.
        board.stamps[slot] = self._random.getrandbits(64)
        if self._generation != board.generation:
            self._find_peers()
        for number, address in self._peers:
            if board.is_watched(number, slot):
                board.mark(number, slot)
                try:
                    self._socket.sendto(_POKE, address)
                except OSError:
                    pass  # full: it has a poke unread; not there: it is dead

    def stamp(self, account: str) -> int:
        """A number that is different after every commit to the account."""
        return self._board.stamps[account_slot(account)]

    def close(self) -> None:
        """Ends."""
        self._socket.close()

    def _find_peers(self) -> None:
        generation = self._board.generation
        rows = self._board.rows()
        self._peers = [(row.number, self._sockets.address(row.pid)) for row in rows if row.number != self._board.number]
        self._generation = generation
