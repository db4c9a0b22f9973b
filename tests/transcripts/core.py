"""The IMAP core as a server for transcripts: real sessions over a real store, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmsd.config.setting import Config
from nmsd.directory.api import User
from nmsd.imap.service import ImapService
from nmsd.model.errors import BadCredentials, LoginRefused
from nmsd.model.flags import split_flags
from nmsd.model.message import Instant, NewMessage, Quota
from nmsd.model.scram import ScramKeys
from nmsd.store.api import Store
from nmsd.store.runtime import PlainRuntime
from nmsd.store.sqlite.engine import open_store
from nmsd.store.sqlite.settings import limits
from nmsd.wire.protocol import Control, Conversation, Job, Peer
from tests.transcripts.runner import Scenario

ACCOUNT = "alice@example.com"
START = 1_700_000_000
INTERNAL_DATE = Instant(1_704_103_200)


class OneUser:
    """The gate and the directory: alice, whose password is "secret", and root, who may act as her and whose password is
    "master".  A certificate and the token "good" are alice's."""

    def __init__(self, quota: Quota) -> None:
        self.user = User("uid=alice,dc=example,dc=com", "alice", ACCOUNT, quota=quota)
        self.root = User("uid=root,dc=example,dc=com", "root", "root@example.com")

    def login(
        self, service: str, login: str, password: str, address: str, authorize: str = "", method: str = "plaintext"
    ) -> User:
        if (login, password) not in (("alice", "secret"), ("root", "master")):
            raise BadCredentials("wrong")
        user = self.root if login == "root" else self.user
        return self.act_as(service, user, authorize, address) if authorize else user

    def login_certificate(
        self, service: str, certificate: bytes, address: str, authorize: str = "", greeting: bool = False
    ) -> User:
        if certificate == b"stranger":
            raise BadCredentials("nobody's")
        return self.act_as(service, self.user, authorize, address) if authorize else self.user

    def login_anonymous(self, service: str, trace: str, address: str) -> User:
        return replace(self.user, is_anonymous=True)

    def login_token(self, service: str, token: str, address: str, authorize: str, method: str) -> User:
        if token != "good":
            raise BadCredentials("wrong")
        return self.user

    def scram_keys(self, login: str) -> ScramKeys:
        return ScramKeys(b"salt", 4096, bytes(32), bytes(32))

    def login_scram(self, service: str, login: str, is_proven: bool, address: str, authorize: str, method: str) -> User:
        raise BadCredentials("wrong")

    def act_as(self, service: str, user: User, authorize: str, address: str) -> User:
        if user is not self.root and authorize != user.uid:
            raise LoginRefused("Not allowed to act as another user")
        if authorize not in ("alice", "root"):
            raise LoginRefused("No such user to act as")
        return self.user if authorize == "alice" else self.root

    def find(self, login: str) -> User | None:
        return self.user if login == "alice" else None

    def find_recipient(self, address: str) -> User | None:
        return self.user if address == ACCOUNT else None

    def authenticate(self, login: str, password: str) -> User:
        return self.login("imap", login, password, "")

    def users(self) -> list[User]:
        return [self.user]


class Stamps:
    """The change bus of one process: a count of commits for each account."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def announce(self, account: str, mailbox_id: int, modseq: int) -> None:
        self.counts[account] = self.counts.get(account, 0) + 1

    def stamp(self, account: str) -> int:
        return self.counts.get(account, 0)


class CoreClient:
    """A client of the core.  It does what the worker does: runs jobs in turn, one at a time."""

    def __init__(self, server: CoreServer, conversation: Conversation) -> None:
        self.server = server
        self.conversation = conversation
        self.out: list[bytes] = []
        self.open = True
        self.perform(conversation.greet())

    def perform(self, job: Job | None) -> None:
        """Runs a job to its end."""
        while job is not None:
            for piece in job.output:
                if isinstance(piece, bytes):
                    self.out.append(piece)
                elif piece is Control.CLOSE:
                    self.open = False
            job = self.conversation.next_job() if self.open else None

    def send(self, data: bytes) -> None:
        if self.open:
            self.conversation.feed(data)
            self.perform(self.conversation.next_job())

    def received(self) -> bytes:
        for client in self.server.clients:
            if client.open and client.conversation.account:
                client.perform(client.conversation.wake())
        data = b"".join(self.out)
        self.out = []
        return data

    def pass_time(self, seconds: float) -> None:
        self.server.time += seconds

    def heartbeat(self) -> None:
        self.perform(self.conversation.heartbeat())

    def close(self) -> None:
        self.open = False
        self.conversation.close()


class CoreServer:
    """The core over an SQLite store in `directory`, with a scenario's fixtures."""

    login = b"alice secret"

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.time = float(START)
        self.clients: list[CoreClient] = []
        self.peer = scenario.peer
        self.log_lines: list[tuple[str, str, str, Mapping[str, Any]]] = []
        self.config = Config(scenario.settings, str(directory))
        self.stamps = Stamps()
        sizes = limits(self.config)
        self.store: Store = open_store(directory, PlainRuntime(), self.stamps.announce, sizes, now=lambda: self.time)
        user = OneUser(Quota(**scenario.quota))
        self.service = ImapService(
            config=self.config,
            store=self.store,
            gate=user,
            directory=user,
            changes=self.stamps,
            log=self.log,
            now=lambda: self.time,
        )
        self.fill(scenario)

    def fill(self, scenario: Scenario) -> None:
        account = self.store.account(ACCOUNT)
        account.ensure()
        for name, messages in scenario.mailboxes:
            if name not in [mailbox.name for mailbox in account.mailboxes()]:
                account.create(name)
            new = []
            for message in messages:
                system_flags, keywords = split_flags(message.flags)
                new.append(NewMessage(message.data, INTERNAL_DATE, system_flags, keywords))
            if new:
                account.append(account.mailbox(name).id, new)

    def log(self, level: str, category: str, text: str, **fields: Any) -> None:
        self.log_lines.append((level, category, text, fields))

    def connect(self) -> CoreClient:
        tls = bool(self.peer)
        peer = Peer(
            "192.0.2.1",
            40_000 + len(self.clients),
            "192.0.2.2",
            143,
            tls=tls,
            cipher_bits=256 if tls else 0,
            certificate=self.peer.encode() if self.peer in ("certificate", "stranger") else None,
        )
        client = CoreClient(self, self.service.open(peer, f"s{len(self.clients) + 1}"))
        self.clients.append(client)
        return client

    def close(self) -> None:
        self.store.close()
