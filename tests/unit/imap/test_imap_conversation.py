"""The IMAP conversation on any input.  Invariant: any bytes in any chunks get answers, never an exception or a bug's
NO [SERVERBUG]; and chunking never changes the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transcripts.core import CoreClient, CoreServer
from tests.transcripts.runner import FixtureMessage, Scenario

NESTED = (
    b"From: a@example.com\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreServer]:
    messages = [FixtureMessage(NESTED, ("\\Seen", "Work")), FixtureMessage(b"Subject: x\r\n\r\ny\r\n")]
    mailboxes = [("INBOX", messages), ("Entwürfe", messages)]
    scenario = Scenario("", Path(), 0, mailboxes=mailboxes, quota={"messages": 0})
    server = CoreServer(scenario, tmp_path_factory.mktemp("store"))
    yield server
    server.close()


WORDS = st.sampled_from(
    b"a1 * + NOOP CAPABILITY LOGIN alice secret AUTHENTICATE PLAIN = ENABLE CONDSTORE QRESYNC IMAP4rev2 EXAMINE INBOX"
    b' STATUS (MESSAGES UIDNEXT) LIST "" % LSUB FETCH UID SEARCH RETURN (ALL SAVE) ( ) 1 1:* $ * 2,1 0 9 FLAGS ALL FULL'
    b" BODY[] BODY.PEEK[1.MIME] BODY[2.HEADER.FIELDS (SUBJECT)]<0.5> BINARY.PEEK[2.1] BINARY.SIZE[] BODY[ <1.2> ]"
    b" (UID MODSEQ) (CHANGEDSINCE 1) (CHANGEDSINCE 1 VANISHED) OR NOT TEXT SUBJECT {3} {3+} ~{2+} {0+} {99999+} x \xe4"
    b' "a\\"b" CHARSET UTF-8 SINCE 1-Jan-2024 HEADER KEYWORD Work MODSEQ LARGER NAMESPACE ID NIL IDLE DONE CLOSE'
    b" UNSELECT CHECK LOGOUT STORE +FLAGS (\\Seen) COPY MOVE EXPUNGE APPEND".split(b" ")
)
LINES = st.lists(WORDS, min_size=1, max_size=7).map(b" ".join)
GOOD = st.sampled_from(
    [
        b"a login alice secret",
        b"a examine INBOX",
        b"a examine INBOX (QRESYNC (1 1))",
        b"a fetch 1:* (UID FLAGS BODY.PEEK[])",
        b"a uid fetch 1:* (FLAGS) (CHANGEDSINCE 1)",
        b"a fetch 1 body[2.1]<1.2>",
        b"a search return (min max count save) subject {3+}\r\nabc or text x all",
        b"a fetch $ flags",
        b'a list (subscribed) "" % return (status (messages size))',
        b"a status {5+}\r\nINBOX (messages unseen)",
        b"a append {5}\r\nINBOX {3+}",
        b"a idle",
        b"done",
    ]
)
STREAMS = st.lists(st.one_of(GOOD, LINES, st.binary(max_size=20)), max_size=12).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)


def answers(server: CoreServer, data: bytes, chunks: list[int]) -> bytes:
    client: CoreClient = server.connect()
    position = 0
    for size in [*chunks, len(data) or 1]:
        if data[position : position + size]:
            client.send(data[position : position + size])
        position += size
    client.send(b"")
    said = client.received()
    client.close()
    server.clients.remove(client)
    return said


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.lists(st.integers(1, 60), max_size=40), st.booleans())
def test_chunking_never_changes_the_answers(
    server: CoreServer, stream: bytes, chunks: list[int], logged_in: bool
) -> None:
    # No message is added or changed by what is sent: mailboxes are only examined, and the quota is full.
    data = b"in login alice secret\r\nin examine INBOX\r\n" * logged_in + stream

    said = answers(server, data, [])

    assert answers(server, data, chunks) == said
    assert b"SERVERBUG" not in said
    assert [line for line in server.log_lines if line[0] == "Error"] == []


def test_a_command_with_many_literals_is_not_kept_without_bound(server: CoreServer) -> None:
    client = server.connect()
    client.received()
    literal = b"{60000+}\r\n" + b"x" * 60_000

    client.send(b"a login " + literal * 30 + b"\r\nb noop\r\n")

    assert client.received() == b"a NO [TOOBIG] Command too large\r\nb OK NOOP completed\r\n"
    client.close()


def test_a_line_above_the_limit_is_bad(tmp_path: Path) -> None:
    server = CoreServer(Scenario("", Path(), 0, settings={"imap.maxline": 1024}), tmp_path)
    client = server.connect()
    client.received()

    client.send(b"a noop" + b" " * 1018 + b"\r\n")
    assert client.received().startswith(b"a BAD NOOP")
    client.send(b"a noop" + b" " * 1019 + b"\r\n")
    assert client.received() == b"a BAD Line too long\r\n"
    for size in (1100, 1200, 5000):
        client.send(b"tag noop ")
        for _ in range(size):
            client.send(b"x")
        client.send(b"\r\n")
        assert client.received() == b"tag BAD Line too long\r\n"
    client.send(b"(" * 5000 + b"\r\n")
    assert client.received() == b"* BAD Line too long\r\n"
    server.close()


def test_a_line_too_long_in_the_middle_of_a_command_ends_that_command_only(tmp_path: Path) -> None:
    server = CoreServer(Scenario("", Path(), 0, settings={"imap.maxline": 1024}), tmp_path)
    client = server.connect()
    client.send(b"a login alice secret\r\n")
    for command in (b"b idle\r\n", b"b enable {9}\r\nCONDSTORE"):
        client.send(command)
        client.received()

        client.send(b"x" * 5000 + b"\r\n")
        assert client.received() == b"b BAD Line too long\r\n"
        assert client.conversation.account == ""
        client.send(b"c noop\r\n")
        assert client.received() == b"c OK NOOP completed\r\n"
    client.close()
    client = server.connect()
    client.received()
    client.send(b"d authenticate plain\r\n" + b"x" * 5000 + b"\r\ne noop\r\n")
    assert client.received() == b"+ \r\nd BAD Line too long\r\ne OK NOOP completed\r\n"
    server.close()
