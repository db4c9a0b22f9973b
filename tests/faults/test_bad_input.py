"""What clients and messages do wrong: the standard's answer, the session goes on where it can, and nothing is lost."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.harness import Instance, Line, Person, login
from tests.clients.letters import letter


@pytest.fixture
def line(instance: Instance, person: Person) -> Line:
    return login(Line(instance.port(143)), person)


def test_a_literal_larger_than_is_taken_is_refused_before_it_is_sent(line: Line) -> None:
    assert line.ask(b"APPEND INBOX {99999999999}") == b"t1 NO [TOOBIG] Message too large\r\n"
    assert line.ask(b"CREATE {99999999999}") == b"t1 NO [TOOBIG] Literal too large\r\n"
    assert line.ask(b"APPEND INBOX {99999999999999999999}").startswith(b"t1 BAD ")  # no number of the protocol's
    assert line.ask(b"NOOP").startswith(b"t1 OK")


def test_a_line_that_never_ends_is_answered_and_bounded(instance: Instance, line: Line) -> None:
    before = resident_bytes(instance)
    line.send(b"t1 SEARCH SUBJECT ")
    for _ in range(128):
        line.send(b"x" * 65_536)  # 8 MB in all
    line.send(b"\r\n")
    assert line.until(b"t1 ") == b"t1 BAD Line too long\r\n"
    assert line.ask(b"NOOP").startswith(b"t1 OK")
    assert resident_bytes(instance) - before < 4 << 20


def resident_bytes(instance: Instance) -> int:
    """What the IMAP worker holds in memory."""
    [pid] = [pid for pid in instance.workers() if b"\0imap\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_commands_in_the_wrong_state_are_bad(instance: Instance, person: Person) -> None:
    line = Line(instance.port(143))
    line.until(b"* OK")
    for command in (b"SELECT INBOX", b"FETCH 1 FLAGS", b"APPEND INBOX {3+}\r\nabc", b"IDLE", b"nonsense", b"\0"):
        assert line.ask(command).startswith(b"t1 BAD"), command
    login_command = f'LOGIN {person.name} "{person.password}"'.encode()
    assert line.ask(login_command).startswith(b"t1 OK")
    for command in (login_command, b"STARTTLS", b"FETCH 1 FLAGS", b"CLOSE", b"UNSELECT", b"EXPUNGE", b"CHECK"):
        assert line.ask(command).startswith(b"t1 BAD"), command
    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    assert line.ask(login_command).startswith(b"t1 BAD")


def test_a_bare_line_feed_ends_a_command(line: Line) -> None:
    line.send(b"t1 NOOP\nt2 NOOP\r\n")
    assert line.readline().startswith(b"t1 OK")
    assert line.readline().startswith(b"t2 OK")


MESSAGES = [
    pytest.param(b"Subject: nul\r\n\r\na\0b\r\n", b"nul", id="NUL"),
    pytest.param(b"Subject: nu\0l\r\n\r\nbody\r\n", b"nul", id="NUL in the header"),
    pytest.param(b"Subject: bare\n\nlf\nonly\n", b"bare", id="bare LF"),
    pytest.param(b"Subject: bare\r\rcr\r", b"", id="bare CR"),
    pytest.param(b"X: " + b"y" * 200_000 + b"\r\nSubject: long\r\n\r\nbody\r\n", b"long", id="200 KB in one field"),
    pytest.param(
        b"".join(b"X-%d: %s\r\n" % (n, b"z" * 80) for n in range(2500)) + b"Subject: many\r\n\r\nb\r\n",
        b"many",
        id="200 KB of fields",
    ),
    pytest.param(b"no header at all", b"", id="no header"),
    pytest.param(b"Content-Type: text/plain; charset=x-unknown\r\n\r\n\xff\xfe\xfd\r\n", b"", id="unknown charset"),
    pytest.param(b"Content-Transfer-Encoding: base64\r\n\r\n!!!!not base64!!!!\r\n", b"", id="broken base64"),
    pytest.param(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=\r\n=4\r\n", b"", id="broken quotes"),
    pytest.param(b"Subject: =?utf-8?b?!!?= =?x?q?y?=\r\n\r\n", b"=?utf-8?b?!!?= =?x?q?y?=", id="broken words"),
    pytest.param(b'Content-Type: multipart/mixed; boundary="x\r\n\r\n--x\r\n\r\nhalf', b"", id="broken MIME"),
    pytest.param(bytes(range(256)) * 40, b"", id="all bytes"),
]


@pytest.mark.parametrize(("message", "subject"), MESSAGES)
def test_any_message_is_kept_as_it_is_and_described(
    instance: Instance, person: Person, line: Line, message: bytes, subject: bytes
) -> None:
    command = b"APPEND INBOX {%d+}\r\n%s" % (len(message), message)
    if b"\0" in message:  # it has no place in a literal (RFC 9051 §4.3.1) but in BINARY's
        assert line.ask(command) == b"t1 BAD APPEND: A message with NUL in it needs a literal8\r\n"
        command = command.replace(b"{", b"~{", 1)
    assert line.ask(command).startswith(b"t1 OK [APPENDUID ")

    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    assert fetch(line, b"BINARY.PEEK[]") == message
    assert fetch(line, b"BODY.PEEK[]") == message.replace(b"\0", b"\x80")
    header = fetch(line, b"BODY.PEEK[HEADER]")
    assert message.replace(b"\0", b"\x80").startswith(header)
    line.send(b"t1 FETCH 1 (RFC822.SIZE BODYSTRUCTURE BODY ENVELOPE)\r\n")
    told = line.until(b"* 1 FETCH")
    assert b"RFC822.SIZE %d " % len(message) in told
    assert b'"%s"' % subject in told if subject else True
    assert line.until(b"t1 ").startswith(b"t1 OK")
    for command in (b"FETCH 1 (BODY[HEADER.FIELDS (SUBJECT)] BODY[1] BODY[1.MIME])", b"SEARCH BODY body SUBJECT x"):
        assert line.ask(command).startswith(b"t1 OK"), command
    assert line.ask(b"FETCH 1 BINARY.PEEK[1]").startswith((b"t1 OK", b"t1 NO [UNKNOWN-CTE]"))
    assert instance.nmsd("check", person.address).returncode == 0


def fetch(line: Line, item: bytes) -> bytes:
    """An item of the first message that comes as a literal."""
    line.send(b"f FETCH 1 " + item + b"\r\n")
    announced = re.search(rb"\{([0-9]+)\}\r\n\Z", line.readline())
    assert announced is not None
    data = line.read(int(announced.group(1)))
    assert line.until(b"f ").startswith(b"f OK")
    return data


def test_an_empty_message_is_none(instance: Instance, person: Person, line: Line) -> None:
    for literal in (b"{0+}\r\n", b"~{0+}\r\n"):
        assert line.ask(b"APPEND INBOX " + literal) == b"t1 NO A message cannot be empty\r\n"
    assert instance.messages(person) == []


def nested(depth: int) -> bytes:
    """multipart in multipart, so many levels deep."""
    inner = b"Content-Type: text/plain\r\n\r\nthe innermost\r\n"
    for level in range(depth):
        mark = b"level%d" % level
        inner = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n%s\r\n--%s--\r\n' % (
            mark,
            mark,
            inner,
            mark,
        )
    return b"Subject: nested\r\nMIME-Version: 1.0\r\n" + inner


def forwarded(depth: int) -> bytes:
    """message/rfc822 in message/rfc822."""
    inner = letter("the innermost")
    for _ in range(depth):
        inner = b"Subject: outer\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    return inner


@pytest.mark.parametrize(("make", "word"), [(nested, b'"mixed"'), (forwarded, b'"rfc822"')])
@pytest.mark.parametrize(("depth", "described"), [(50, 50), (1000, 99)], ids=["50 levels", "1000 levels"])
def test_deep_nesting_is_kept_and_described_to_a_limit(
    instance: Instance,
    person: Person,
    line: Line,
    make: Callable[[int], bytes],
    word: bytes,
    depth: int,
    described: int,
) -> None:
    message = make(depth)
    assert line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message)).startswith(b"t1 OK")
    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    line.send(b"t1 FETCH 1 BODYSTRUCTURE\r\n")
    assert line.until(b"* 1 FETCH").count(word) >= described
    assert line.until(b"t1 ").startswith(b"t1 OK")
    place = b".".join([b"1"] * 50)
    assert b"the innermost" in fetch(line, b"BODY.PEEK[" + place + b"]")
    line.send(b"t1 SEARCH BODY innermost\r\n")
    # What lies deeper than store.maxmimedepth is an attachment of bytes, and not searched.
    assert line.until(b"* SEARCH") == (b"* SEARCH 1\r\n" if depth == described else b"* SEARCH\r\n")
    assert line.until(b"t1 ").startswith(b"t1 OK")
    assert [content for content, _ in instance.messages(person)] == [message]


def test_a_client_that_vanishes_in_mid_literal_leaves_nothing(instance: Instance, person: Person) -> None:
    for sent in (b"", b"Subject: half", b"x" * 3_000_000):
        line = login(Line(instance.port(143)), person)
        line.send(b"a APPEND INBOX {5000000+}\r\n" + sent)
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end of file
        line.close()

    assert instance.messages(person) == []
    instance.append(person, [letter("whole")])
    assert len(instance.messages(person)) == 1


def test_an_mta_that_vanishes_in_mid_message_leaves_nothing(instance: Instance, person: Person) -> None:
    line = Line(instance.port(24))
    line.until(b"220")
    line.send(f"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n".encode())
    line.until(b"354")
    line.send(b"Subject: half\r\n\r\nhalf a")
    line.close()

    assert instance.messages(person) == []


def test_lmtp_answers_nonsense_and_goes_on(instance: Instance, person: Person) -> None:
    line = Line(instance.port(24))
    line.until(b"220")
    for command, answer in (
        (b"DATA", b"503 5.5.1 Say LHLO first"),
        (b"HELO x", b"500 5.5.1 This is LMTP; say LHLO"),  # RFC 2033 §4.1
        (b"EHLO x", b"500 5.5.1 This is LMTP; say LHLO"),
        (b"LHLO", b"501 5.5.4 "),
        (b"LHLO x", b"250 "),
        (b"MAIL FROM:not an address", b"501 5.5.4 "),
        (b"RCPT TO:<x@y>", b"503 5.5.1 Send MAIL first"),
        (b"x" * 5000, b"500 5.5.2 Line too long"),
        (b"NO\0OP", b"500 5.5.2 "),
        (b"MAIL FROM:<a@b.c> BODY=BINARYMIME", b"555 5.5.4 "),
        (b"MAIL FROM:<a@b.c>", b"250 2.1.0 "),
        (b"RCPT TO:<nobody-here@example.com>", b"550 5.1.1 "),
        (b"DATA", b"503 5.5.1 No valid recipients"),
        (b"RSET", b"250 2.0.0 "),
        (b"QUIT", b"221 2.0.0 "),
    ):
        line.send(command + b"\r\n")
        assert final(line).startswith(answer), command


def final(line: Line) -> bytes:
    """The last line of an LMTP reply."""
    while (reply := line.readline())[3:4] == b"-":
        pass
    return reply


def test_lmtp_only_a_dot_between_two_line_ends_ends_a_message(instance: Instance, person: Person) -> None:
    line = Line(instance.port(24))
    line.until(b"220")
    line.send(f"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n".encode())
    line.until(b"354")
    # What servers have been led to take for the end of a message, with another one smuggled in behind it.
    body = b"one\n.\nMAIL FROM:<>\r\ntwo\n.\r\nthree\r\n.\nfour\r.\rfive\r\n..six\0\r\n"
    line.send(b"Subject: smuggled\r\n\r\n" + body + b".\r\nQUIT\r\n")
    assert line.readline().startswith(b"250 2.1.5 ")
    assert line.readline().startswith(b"221 ")
    [(message, _)] = instance.messages(person)
    stored = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"..six\0", b".six\x80")
    assert message.endswith(b"\r\n\r\n" + stored.replace(b"\r\n.\r\nfour", b"\r\n\r\nfour"))


def test_pop3_answers_nonsense_and_goes_on(instance: Instance, person: Person) -> None:
    line = Line(instance.port(110))
    line.until(b"+OK")
    for command, answer in (
        (b"STAT", b"-ERR Log in first"),
        (b"\0\xff", b"-ERR Control characters in command"),
        (b"y" * 70_000, b"-ERR Line too long"),
        (b"PASS x", b"-ERR Send USER first"),
        (b"USER", b"-ERR Wrong number of arguments"),
        (b"USER " + person.name.encode(), b"+OK"),
        (b"PASS " + person.password.encode(), b"+OK"),
        (b"USER x", b"-ERR Already logged in"),
        (b"RETR 1", b"-ERR No such message"),
        (b"RETR 0", b"-ERR No such message"),
        (b"RETR -1", b"-ERR Invalid number"),
        (b"DELE 99999999999999999999", b"-ERR Invalid number"),
        (b"TOP 1", b"-ERR Wrong number of arguments"),
        (b"NONSENSE", b"-ERR Unknown command"),
        (b"QUIT", b"+OK"),
    ):
        line.send(command + b"\r\n")
        assert line.readline().startswith(answer), command


def test_a_client_that_does_not_read_holds_up_nobody(instance: Instance, person: Person) -> None:
    instance.append(person, [letter("large", ("y" * 78 + "\r\n") * 50_000)])
    deaf = []
    for _ in range(8):
        line = login(Line(instance.port(143)), person)
        line.ask(b"SELECT INBOX")
        line.send(b"f FETCH 1 BODY.PEEK[]\r\n" * 10)
        deaf.append(line)

    other = login(Line(instance.port(143)), person)
    for _ in range(20):
        assert other.ask(b"NOOP").startswith(b"t1 OK")
    instance.append(person, [letter("meanwhile")])

    assert deaf[0].until(b"f OK").startswith(b"f OK")  # and who reads late gets it all
    for line in deaf:
        line.close()
