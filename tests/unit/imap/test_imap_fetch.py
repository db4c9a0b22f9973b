"""FETCH of large messages, of messages that go away meanwhile, on a full disk; and sequence numbers by walking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config.setting import Config
from nmsd.imap.fetch.plan import Positions
from nmsd.imap.fetch.section import PART_LIMIT, STREAM_BYTES
from nmsd.imap.session import IMAP4REV2, Session, Shared
from nmsd.imap.view import View
from nmsd.model.errors import StoreFull
from nmsd.model.mailbox import Mailbox
from nmsd.model.message import Instant, NewMessage
from nmsd.model.uidset import UidSet
from nmsd.wire.protocol import Control, Peer
from tests.transcripts.core import ACCOUNT, CoreClient, CoreServer
from tests.transcripts.runner import Scenario

HEADER = b"Subject: large\r\n\r\n"
WHOLE_LIMIT = 1 << 18


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CoreServer]:
    server = CoreServer(Scenario("", Path(), 0), tmp_path)
    yield server
    server.close()


def add(server: CoreServer, *messages: bytes) -> None:
    account = server.store.account(ACCOUNT)
    account.append(account.mailbox("INBOX").id, [NewMessage(data, Instant(0)) for data in messages])


def log_in(server: CoreServer, select: bytes = b"select") -> CoreClient:
    client = server.connect()
    client.send(b"a login alice secret\r\nb " + select + b" INBOX\r\n")
    assert b"b OK" in client.received()
    return client


def ask(client: CoreClient, command: bytes) -> bytes:
    client.send(b"c " + command + b"\r\n")
    return client.received()


def letter(size: int, char: bytes = b"x") -> bytes:
    line = char * 76 + b"\r\n"
    text = line * (size // len(line) + 1)
    return HEADER + text[: size - len(HEADER) - 2] + b"\r\n"


@pytest.mark.parametrize("size", [PART_LIMIT, PART_LIMIT + 1, WHOLE_LIMIT, WHOLE_LIMIT + 1, 3 * WHOLE_LIMIT + 77])
def test_messages_of_any_size_come_whole(server: CoreServer, size: int) -> None:
    message = letter(size)
    add(server, HEADER + b"small\r\n", message, HEADER + b"small\r\n")
    client = log_in(server, b"examine")

    small = b"BODY[] {25}\r\n" + HEADER + b"small\r\n)\r\n"
    expected = b"* 1 FETCH (" + small + b"* 2 FETCH (BODY[] {%d}\r\n" % size + message + b")\r\n* 3 FETCH (" + small
    assert ask(client, b"fetch 1:3 body[]") == expected + b"c OK FETCH completed\r\n"
    text = message[len(HEADER) :]
    for name in (b"BODY[TEXT]", b"RFC822.TEXT", b"BODY[1]", b"BINARY[1]"):
        answer = ask(client, b"fetch 2 " + name)
        assert answer == b"* 2 FETCH (" + name + b" {%d}\r\n" % len(text) + text + b")\r\nc OK FETCH completed\r\n"
    answer = ask(client, b"fetch 2 body[]<10.%d>" % (size - 20))
    assert answer == (
        b"* 2 FETCH (BODY[]<10> {%d}\r\n" % (size - 20) + message[10:-10] + b")\r\nc OK FETCH completed\r\n"
    )
    assert ask(client, b"fetch 2 binary.size[1]") == (
        b"* 2 FETCH (BINARY.SIZE[1] %d)\r\nc OK FETCH completed\r\n" % len(text)
    )


def test_a_large_message_goes_out_piece_by_piece(server: CoreServer) -> None:
    add(server, letter(1 << 22))
    client = log_in(server, b"examine")
    client.conversation.feed(b"c fetch 1 body[]\r\n")
    job = client.conversation.next_job()
    assert job is not None

    pieces = [piece for piece in job.output if isinstance(piece, bytes)]

    assert len(pieces) > 20
    assert max(map(len, pieces)) <= 3 * STREAM_BYTES


def test_a_session_ends_where_a_message_goes_away_in_the_middle_of_a_literal(server: CoreServer) -> None:
    add(server, letter(1 << 22))
    client = log_in(server, b"examine")
    client.conversation.feed(b"c fetch 1 body[]\r\n")
    job = client.conversation.next_job()
    assert job is not None
    output = iter(job.output)
    first = next(output)
    assert isinstance(first, bytes)
    assert first.startswith(b"* 1 FETCH (BODY[] {%d}\r\n" % (1 << 22))

    account = server.store.account(ACCOUNT)
    mailbox = account.mailbox("INBOX")
    account.expunge(mailbox.id, account.uids(mailbox.id), only_deleted=False)
    rest = list(output)

    assert rest[-1] is Control.CLOSE
    assert isinstance(rest[-2], bytes)
    assert rest[-2].startswith(b"* BYE ")


class FullDisk:
    """A store's account on which nothing more can be written."""

    def __init__(self, account: Any) -> None:
        self._account = account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._account, name)

    def store_flags(self, *arguments: Any) -> Any:
        raise StoreFull("No space left on device")


def test_mail_can_be_read_on_a_full_disk(server: CoreServer) -> None:
    add(server, HEADER + b"text\r\n")
    client = log_in(server)
    session: Session = client.conversation.session
    session.account = FullDisk(session.account)

    assert ask(client, b"fetch 1 body[text]") == (b"* 1 FETCH (BODY[TEXT] {6}\r\ntext\r\n)\r\nc OK FETCH completed\r\n")


def test_a_thousand_messages_are_seen_in_a_few_writes(server: CoreServer) -> None:
    add(server, *[HEADER + b"%d\r\n" % number for number in range(1000)])
    client = log_in(server)
    before = server.stamps.stamp(ACCOUNT)

    answer = ask(client, b"fetch 1:* body[text]")

    assert answer.count(b"FLAGS (\\Seen \\Recent))\r\n") == 1000
    assert answer.endswith(b"c OK FETCH completed\r\n")
    assert server.stamps.stamp(ACCOUNT) - before <= 4
    assert ask(client, b"noop") == b"c OK NOOP completed\r\n"


SHARED = Shared(Config({}), None, None, None, None, None)
RANGES = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), max_size=8).map(UidSet)


@given(RANGES, st.sets(st.integers(1, 210)), st.integers(1, 200), st.booleans())
def test_walking_gives_the_views_sequence_numbers(
    uids: UidSet, asked: set[int], recent_uid: int, is_rev2: bool
) -> None:
    mailbox = Mailbox(1, "INBOX", 1, 201, 1, len(uids), 0, 0, 0, recent_uid, (), (), "")
    view = View(mailbox, uids, False, 0)
    session = Session(SHARED, Peer("", 0, "", 0), "")
    session.enabled = IMAP4REV2 if is_rev2 else 0
    positions = Positions(session, view)

    for uid in sorted(asked):
        assert positions.seq(uid) == view.seq(uid)
        assert positions.is_recent(uid) == (uid in view.recent and not is_rev2)
