"""Starts a worker: fork and exec with the listening sockets and a status socket, as the server's user."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmsd.config.launch import Launch, Listener
from nmsd.supervisor.child import Child
from nmsd.supervisor.listen import Listeners
from nmsd.supervisor.privileges import Identity
from nmsd.supervisor.table import Row


@dataclass(frozen=True)
class Orders:
    """What the workers of one service are started from: its row, and the file with the values, as of one load."""

    row: Row
    snapshot: str
    generation: int


@dataclass(frozen=True)
class Spawner:
    """Everything about starting that is the same for all workers.  `command` is the program, up to nmsd's arguments."""

    instance: str
    command: Sequence[str]
    board: str
    listeners: Listeners
    identity: Identity | None
    environ: Mapping[str, str]
    echo: bool

    def spawn(self, orders: Orders, index: int, now: float) -> Child:
        """A new worker.  Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            launch = Launch(
                instance=self.instance,
                service=orders.row.name,
                index=index,
                listeners=tuple(
                    Listener(sock.fileno(), endpoint.kind) for endpoint, sock in self.listeners.of(orders.row)
                ),
                status_fd=theirs.fileno(),
                config=orders.snapshot,
                board=self.board,
                echo=self.echo,
            )
            try:
                process = self._start(launch)
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return Child(process, orders.row.name, index, orders.generation, orders.snapshot, ours, now)

    def _start(self, launch: Launch) -> subprocess.Popen[bytes]:
        command = [*self.command, *launch.arguments()]
        # A process group of its own: Ctrl-C at a terminal is for the supervisor alone.
        who = self.identity
        if who is None:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=launch.descriptors(),
                env=dict(self.environ),
                process_group=0,
                umask=0o077,
            )
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=launch.descriptors(),
            env={**self.environ, "HOME": self.instance, "USER": who.name, "LOGNAME": who.name},
            process_group=0,
            umask=0o077,
            user=who.uid,
            group=who.gid,
            extra_groups=who.groups,
        )


def make_board(path: str, size: int, identity: Identity | None) -> None:
    """A fresh board, all zero: workers that outlived an earlier supervisor keep the old file to themselves."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(fd, size)
        if identity is not None:
            os.fchown(fd, identity.uid, identity.gid)
    finally:
        os.close(fd)
