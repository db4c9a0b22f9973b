"""What becomes of a command, and of IDLE, where the store cannot be read when it comes to telling what is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmsd.imap.service import ImapService
from nmsd.model.errors import StoreUnavailable
from nmsd.model.message import Quota
from tests.transcripts.core import CoreClient, CoreServer, OneUser
from tests.transcripts.runner import Scenario


class Shaky:
    """A store, and its account, that cannot tell of changes while `is_away`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.is_away = False

    def account(self, name: str) -> Any:
        self.inner = self.inner.account(name) if hasattr(self.inner, "account") else self.inner
        return self

    def changes(self, mailbox_id: int, since: int) -> Any:
        if self.is_away:
            raise StoreUnavailable("no luck")
        return self.inner.changes(mailbox_id, since)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[tuple[CoreClient, Shaky]]:
    server = CoreServer(Scenario("", Path(), 0), tmp_path)
    user = OneUser(Quota())
    store = Shaky(server.store)
    server.service = ImapService(
        config=server.config,
        store=store,
        gate=user,
        directory=user,
        changes=server.stamps,
        log=server.log,
        now=lambda: server.time,
    )
    client = server.connect()
    client.send(b"a login alice secret\r\nb select INBOX\r\n")
    client.received()
    yield client, store
    server.close()


def append(client: CoreClient) -> bytes:
    client.send(b"c append INBOX {14+}\r\nSubject: x\r\n\r\n\r\n")
    return client.received()


def test_what_was_done_is_answered_and_what_is_new_told_later(client: tuple[CoreClient, Shaky]) -> None:
    connection, store = client
    store.is_away = True
    assert append(connection) == b"c OK [APPENDUID 1700000000 1] APPEND completed\r\n"
    assert ("Warning", "Store", "no luck") in [line[:3] for line in connection.server.log_lines]
    store.is_away = False
    connection.send(b"d noop\r\n")
    assert connection.received() == b"* 1 EXISTS\r\n* 1 RECENT\r\nd OK NOOP completed\r\n"


def test_idle_goes_on(client: tuple[CoreClient, Shaky]) -> None:
    connection, store = client
    store.is_away = True
    append(connection)
    connection.send(b"d idle\r\n")
    assert connection.received() == b"+ idling\r\n"
    store.is_away = False
    assert connection.received() == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
    connection.send(b"done\r\n")
    assert connection.received() == b"d OK IDLE completed\r\n"
