"""APPEND of messages that were spooled to a file, and what becomes of the spool."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmsd.wire.framer import SPOOL_MEMORY
from tests.transcripts.core import CoreClient, CoreServer
from tests.transcripts.runner import Scenario

HEADER = b"Subject: large\r\n\r\n"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[CoreClient]:
    server = CoreServer(Scenario("", Path(), 0), tmp_path)
    client = server.connect()
    client.send(b"a login alice secret\r\nb select INBOX\r\n")
    assert b"b OK" in client.received()
    yield client
    client.close()
    server.close()


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [SPOOL_MEMORY, SPOOL_MEMORY + 1, 3 * SPOOL_MEMORY])
@pytest.mark.parametrize("plus", [b"", b"+"])
def test_a_large_message_is_stored_as_it_came(client: CoreClient, size: int, plus: bytes) -> None:
    message = HEADER + b"0123456789abcde\n" * (size // 16)
    message = message[:size]

    client.send(b"c append INBOX (\\Seen) {%d%b}\r\n" % (size, plus))
    assert client.received() == (b"" if plus else b"+ OK\r\n")
    for start in range(0, size, 100_000):
        client.send(message[start : start + 100_000])
    client.send(b"\r\n")

    assert b"\r\nc OK [APPENDUID " in client.received()
    client.send(b"d fetch 1 body.peek[]\r\n")
    assert client.received() == (b"* 1 FETCH (BODY[] {%d}\r\n" % size + message + b")\r\nd OK FETCH completed\r\n")


def test_spools_are_given_back_whatever_becomes_of_the_command(client: CoreClient) -> None:
    message = HEADER + b"x" * SPOOL_MEMORY
    literal = b"{%d+}\r\n" % len(message) + message
    client.send(b"c append INBOX " + literal + b"\r\n")
    client.received()
    before = open_files()

    client.send(b"d append INBOX " + literal + b"\r\n")  # stored
    client.send(b"e append Nowhere " + literal + b"\r\n")  # no such mailbox
    client.send(b"f append INBOX " + literal + b" nonsense\r\n")  # bad syntax
    client.send(b"g append INBOX " + literal + b" {0+}\r\n\r\n")  # an empty one behind it
    answers = client.received()

    assert [line[:4] for line in answers.splitlines() if line[:1] in b"defg"] == [b"d OK", b"e NO", b"f BA", b"g NO"]
    assert open_files() == before


def test_a_client_that_vanishes_in_the_middle_of_a_literal_leaves_nothing_behind(client: CoreClient) -> None:
    server = client.server
    before = open_files()
    other = server.connect()
    other.send(b"a login alice secret\r\nb append INBOX {%d+}\r\n" % (2 * SPOOL_MEMORY) + HEADER)
    other.send(b"x" * SPOOL_MEMORY)
    other.conversation.feed(b"")
    other.close()
    del other
    server.clients.pop()

    assert open_files() == before
    client.send(b"c status INBOX (MESSAGES)\r\n")
    assert b"(MESSAGES 0)" in client.received()
