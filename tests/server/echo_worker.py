"""A worker of the echo service: python -m tests.server.echo_worker, with a launch in JSON as its argument.

Its `block` command waits for the file `go` in the instance; `tell` announces a change of alice's account.
"""

# ruff: noqa: E402
from nmsd.server.patch import patch

patch()

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import gevent

from nmsd.config.launch import Launch, Listener
from nmsd.config.services import IMAP
from nmsd.config.setting import Config
from nmsd.server.process import Opened, Tools, run
from nmsd.wire.protocol import Output, Peer
from tests.unit.server.echo_service import EchoConversation, EchoService


class Conversation(EchoConversation):
    def do_tell(self) -> Iterator[Output]:
        assert self.service.bus is not None
        self.service.bus.announce("alice", 1, 1)
        yield b"told\n"


class Service(EchoService):
    name = "imap"

    def open(self, peer: Peer, session_id: str) -> EchoConversation:
        return Conversation(self, peer, session_id)


def log(level: str, category: str, text: str, **fields: Any) -> None:
    print(level, category, text, fields, file=sys.stderr, flush=True)


def main() -> int:
    orders = json.loads(sys.argv[1])
    orders["listeners"] = tuple(Listener(fd, kind) for fd, kind in orders["listeners"])
    launch = Launch(**orders)

    def settings() -> Config:
        with open(launch.config) as file:
            return Config(json.load(file), launch.instance)

    config = settings()

    def block() -> None:
        while not os.path.exists(os.path.join(launch.instance, "go")):
            gevent.sleep(0.002)

    def open_service(tools: Tools) -> Opened:
        return Opened(Service(block, tools.bus), counters=lambda: {"logins": 7})

    return run(
        launch,
        config,
        log,
        settings=IMAP,
        store_files=10,
        stop_seconds=lambda: config._values.get("stop", 10),
        open_service=open_service,
        reread=lambda: config.adopt(settings()),
    )


sys.exit(main())
