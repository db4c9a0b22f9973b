"""What meets a limit of IMAP: the answer, the way on, and the line that tells the administrator (RFC 7888 §4, §5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts.core import CoreClient, CoreServer
from tests.transcripts.runner import Scenario

HEAD = b"Subject: x\r\n\r\n"
Start = Callable[..., CoreClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[CoreServer] = []

    def make(**settings: object) -> CoreClient:
        values: dict[str, Any] = {name.replace("__", "."): value for name, value in settings.items()}
        server = CoreServer(Scenario("", Path(), 0, settings=values), tmp_path)
        servers.append(server)
        client = server.connect()
        client.send(b"in login alice secret\r\n")
        client.received()
        return client

    yield make
    for server in servers:
        server.close()


def notices(client: CoreClient) -> list[tuple[str, object]]:
    """What the log tells of limits: the text, and which setting it is."""
    return [(text, fields.get("limit")) for level, _, text, fields in client.server.log_lines if level == "Notice"]


def append(size: int, plus: bytes = b"+") -> bytes:
    return b"a append INBOX {%d%s}\r\n" % (size, plus) + HEAD + b"y" * (size - len(HEAD)) + b"\r\n"


def test_literal_minus_takes_4096_bytes_without_waiting(start: Start) -> None:
    client = start(imap__nonsyncliterals="small")
    client.send(append(4096))
    assert client.received().startswith(b"a OK [APPENDUID ")
    assert notices(client) == []


def test_literal_minus_reads_past_a_longer_one_and_says_bad_toobig(start: Start) -> None:
    client = start(imap__nonsyncliterals="small")
    client.send(append(4097) + b"b status INBOX (messages)\r\n")
    assert client.received() == (
        b'a BAD [TOOBIG] Non-synchronizing literal too large\r\n* STATUS "INBOX" (MESSAGES 0)\r\n'
        b"b OK STATUS completed\r\n"
    )
    assert notices(client) == [("literal too large not to wait", "imap.nonsyncliterals")]


def test_literal_minus_takes_any_size_from_who_waits(start: Start) -> None:
    client = start(imap__nonsyncliterals="small")
    client.send(b"a append INBOX {5000}\r\n")
    assert client.received() == b"+ OK\r\n"
    client.send(HEAD + b"y" * (5000 - len(HEAD)) + b"\r\n")
    assert client.received().startswith(b"a OK ")


@pytest.mark.parametrize("mode", ["any", "small"])
@pytest.mark.parametrize("command", [b"append INBOX", b"create", b"nonsense", b"x" * 70_000])
def test_a_literal_that_comes_unasked_and_is_too_long_to_read_past_ends_the_session(
    start: Start, mode: str, command: bytes
) -> None:
    client = start(imap__nonsyncliterals=mode)
    client.send(b"a " + command + b" {67108865+}\r\nwhat comes of it\r\n")
    said = client.received()
    assert said.startswith(b"* BYE [TOOBIG] ")
    assert said.count(b"\r\n") == 1
    assert not client.open
    assert "literal too large to read past, connection closed" in [text for text, _ in notices(client)]


def test_the_longest_one_that_is_read_past_leaves_the_session_alone(start: Start) -> None:
    client = start()
    client.send(b"a append INBOX {67108864+}\r\n")
    for _ in range(64):
        client.send(b"y" * (1 << 20))
    client.send(b"\r\nb noop\r\n")
    assert client.received() == b"a NO [TOOBIG] Message too large\r\nb OK NOOP completed\r\n"
    assert notices(client) == [("message too large", "store.maxmessagesize")]


def test_what_follows_a_line_that_is_too_long_is_no_command_if_it_is_its_literal(start: Start) -> None:
    client = start(imap__maxline=1024)
    for size in (1100, 5000):
        line = b"a create " + b"x" * size + b"{14+}\r\nb create evil\r\nc noop\r\n"
        for data in (line, *[line[place : place + 1] for place in range(len(line))]):
            client.send(data)
        ended = b"a BAD Line too long\r\nc OK NOOP completed\r\n"
        assert client.received() == ended + ended
    client.send(b'd list "" *evil*\r\n')
    assert client.received() == b"d OK LIST completed\r\n"


def test_a_message_at_the_limit_is_taken_and_one_byte_more_is_not(start: Start) -> None:
    client = start(store__maxmessagesize=1000)
    client.send(append(1000))
    assert client.received().startswith(b"a OK ")
    for plus in (b"", b"+"):
        client.send(append(1001, plus))
        assert client.received().startswith(b"a NO [TOOBIG] Message too large\r\n")
    assert notices(client) == [("message too large", "store.maxmessagesize")] * 2


def test_the_limit_on_one_append_counts_all_its_messages(start: Start) -> None:
    client = start(imap__maxappend=300)
    one = b"{100+}\r\n" + HEAD + b"y" * (100 - len(HEAD))
    line = b"a append INBOX "  # its text counts as well
    client.send(line + one + b" " + b"{184+}\r\n" + HEAD + b"y" * (184 - len(HEAD)) + b"\r\n")
    assert client.received().startswith(b"a OK ")
    client.send(line + one + b" " + b"{185+}\r\n" + HEAD + b"y" * (185 - len(HEAD)) + b"\r\n")
    assert client.received() == b"a NO [TOOBIG] Too much at once\r\n"
    assert notices(client) == [("too much at once", "imap.maxappend")]
    client.send(b"b status INBOX (messages)\r\n")
    assert b"(MESSAGES 2)" in client.received()


def test_so_many_literals_and_no_more(start: Start) -> None:
    client = start(imap__maxliterals=2)
    one = b" {%d+}\r\n%s" % (len(HEAD), HEAD)
    client.send(b"a append INBOX" + one * 2 + b"\r\n")
    assert client.received().startswith(b"a OK ")
    client.send(b"a append INBOX" + one * 3 + b"\r\n")
    assert client.received() == b"a NO [LIMIT] Too many literals\r\n"
    assert notices(client) == [("too many literals", "imap.maxliterals")]


def test_criteria_nested_too_deep_are_told(start: Start) -> None:
    client = start(imap__maxsearchdepth=3)
    client.send(b"a select INBOX\r\nb search " + b"not " * 3 + b"all\r\n")
    assert client.received().endswith(b"b OK SEARCH completed\r\n")
    client.send(b"c search " + b"not " * 4 + b"all\r\n")
    assert client.received() == b"c NO [LIMIT] Search criteria nested too deep\r\n"
    assert [text for text, _ in notices(client)] == ["search criteria nested too deep"]


def test_the_last_of_so_many_bad_commands_ends_the_session_and_is_told(start: Start) -> None:
    client = start(imap__maxbadcommands=3)
    client.send(b"a x\r\nb x\r\nc noop\r\nd x\r\ne x\r\n")
    assert client.open
    client.send(b"f x\r\n")
    assert client.received().endswith(b"f BAD Unknown command X\r\n* BYE Too many invalid commands\r\n")
    assert not client.open
    assert notices(client) == [("too many bad commands", "imap.maxbadcommands")]


def test_a_line_above_the_limit_is_told(start: Start) -> None:
    client = start(imap__maxline=1024)
    client.send(b"a noop" + b" " * 2000 + b"\r\n")
    assert notices(client) == [("line too long", "imap.maxline")]


def test_every_bad_command_has_a_line_for_who_looks_for_a_fault(start: Start) -> None:
    client = start()
    client.send(b"a fetch 1 flags\r\n")
    [(level, category, text, fields)] = client.server.log_lines[-1:]
    assert (level, category, text, fields["reason"]) == (
        "Information",
        "Protocol",
        "bad command",
        "FETCH is not allowed now",
    )


def test_an_answer_and_the_log_repeat_only_so_much_of_what_was_sent(start: Start) -> None:
    client = start()
    client.send(b"a " + b"x" * 60_000 + b"\r\n")
    assert client.received() == b"a BAD " + (b"Unknown command " + b"X" * 400)[:400] + b"\r\n"
    [(_, _, _, fields)] = client.server.log_lines[-1:]
    assert len(fields["reason"]) == 400


@pytest.mark.parametrize("command", [b"status %b (messages)", b"create %b", b"rename x %b", b'list "" %b'])
def test_a_nul_in_a_string_is_bad(start: Start, command: bytes) -> None:
    client = start()
    for literal in (b"{3+}\r\na\0b", b"~{3+}\r\na\0b"):
        client.send(b"a " + command % literal + b"\r\n")
        assert client.received().startswith(b"a BAD ")
