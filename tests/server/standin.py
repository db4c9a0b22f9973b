"""A worker as the supervisor sees one, without mail: it greets every client, echoes lines, and obeys a few words.

The service's banner in the configuration says how it starts: "exit N" exits at once, "silent" never reports.  A line of
a client may be "exit N", "abort" (a signal), "orphan" (leaves one), "hang" (no more reports), "ignore" (SIGTERM) or
"banner"; any other is echoed.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import selectors
import signal
import socket
import sys
import time

from nmsd.config.launch import parse_listener
from nmsd.config.load import read_snapshot
from nmsd.config.services import SERVICES
from nmsd.settings import SECTIONS


class Worker:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.config = read_snapshot(arguments.config, SECTIONS)
        service = next(found for found in SERVICES if found.name == arguments.service)
        self.banner = self.config[service.banner]
        self.selector = selectors.DefaultSelector()
        self.listeners = [socket.socket(fileno=parse_listener(text).fd) for text in arguments.listen]
        self.clients: set[socket.socket] = set()
        self.status = socket.socket(fileno=arguments.status)
        self.reporting = True
        self.over = False
        self.deaf = False
        self.state = "ready"

    def run(self) -> int:
        if self.banner.startswith("exit "):
            return int(self.banner[5:])
        self.reporting = self.banner != "silent"
        faulthandler.register(signal.SIGQUIT)
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda number, frame: None)
        self.selector.register(reader, selectors.EVENT_READ, lambda: self.on_signal(reader.recv(1)[0]))
        self.selector.register(self.status, selectors.EVENT_READ, self.on_status)
        for listener in self.listeners:
            self.selector.register(listener, selectors.EVENT_READ, lambda listener=listener: self.accept(listener))
        self.report()
        heard = time.monotonic()
        while not self.over:
            for key, _ in self.selector.select(1.0):
                key.data()
            if time.monotonic() - heard > 5:
                heard = time.monotonic()
                self.report()
            if self.state == "draining" and not self.clients:
                return 0
        return 0

    def report(self) -> None:
        if self.reporting:
            facts = {"state": self.state, "pid": os.getpid(), "sessions": len(self.clients), "max_sessions": 10}
            try:
                self.status.send(json.dumps(facts).encode() + b"\n")
            except OSError:
                self.over = True

    def on_signal(self, number: int) -> None:
        if number == signal.SIGTERM and not self.deaf:
            for client in self.clients:
                client.send(b"* BYE\r\n")
            self.over = True
        elif number == signal.SIGUSR1:
            self.state = "draining"
            for listener in self.listeners:
                self.selector.unregister(listener)
                listener.close()
            self.report()
        elif number == signal.SIGHUP:
            self.config = read_snapshot(self.arguments.config, SECTIONS)

    def on_status(self) -> None:
        if not self.status.recv(100):
            self.over = True

    def accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        self.clients.add(client)
        facts = {
            "service": self.arguments.service,
            "pid": os.getpid(),
            "index": self.arguments.index,
            "banner": self.banner,
            "uid": os.getuid(),
            "gid": os.getgid(),
            "groups": os.getgroups(),
            "nodelay": client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) if client.family != 1 else None,
            "board": os.path.getsize(self.arguments.board),
            "group": os.getpgrp(),
            "notify": os.environ.get("NOTIFY_SOCKET", ""),
        }
        client.send(json.dumps(facts).encode() + b"\r\n")
        self.selector.register(client, selectors.EVENT_READ, lambda: self.talk(client))
        self.report()

    def talk(self, client: socket.socket) -> None:
        try:
            line = client.recv(4096)
        except OSError:
            line = b""
        word = line.decode().strip()
        if not line:
            self.selector.unregister(client)
            self.clients.discard(client)
            client.close()
            self.report()
        elif word.startswith("exit "):
            os._exit(int(word[5:]))
        elif word == "abort":
            os.abort()
        elif word == "orphan":
            client.send(b"%d\r\n" % make_orphan())
        else:
            self.reporting = self.reporting and word != "hang"
            self.deaf = self.deaf or word == "ignore"
            if word == "banner":
                service = next(found for found in SERVICES if found.name == self.arguments.service)
                line = self.config[service.banner].encode() + b"\r\n"
            client.send(line)


def make_orphan() -> int:
    """The number of a process that has lost its parent and ends in a moment."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(0.1)
            os._exit(0)
        os.write(writer, b"%d" % grandchild)
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 100))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-I", dest="instance")
    parser.add_argument("command")
    parser.add_argument("service")
    parser.add_argument("--index", type=int)
    parser.add_argument("--listen", action="append", default=[])
    parser.add_argument("--status", type=int)
    parser.add_argument("--config")
    parser.add_argument("--board")
    parser.add_argument("--echo", action="store_true")
    return Worker(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
