"""What clients and messages do wrong: the standard's answer, the session goes on where it can, and nothing is lost."""

from __future__ import annotations

import socket

import pytest

from tests.clients.harness import Instance, Line, Person, login
from tests.clients.letters import letter


@pytest.fixture
def line(instance: Instance, person: Person) -> Line:
    return login(Line(instance.port(143)), person)


def test_a_literal_larger_than_is_taken_is_refused_before_it_is_sent(line: Line) -> None:
    answer = line.ask(b"APPEND INBOX {99999999999}")
    assert answer.startswith((b"t1 NO [TOOBIG]", b"t1 BAD")), answer
    assert line.ask(b"NOOP").startswith(b"t1 OK")


def test_a_line_that_never_ends_is_answered_and_bounded(line: Line) -> None:
    piece = b"x" * 65536
    line.send(b"t1 SEARCH SUBJECT ")
    try:
        for _ in range(512):  # 32 MB
            line.send(piece)
        line.send(b"\r\n")
    except OSError:
        return  # hung up on, which is an answer, too
    assert line.until(b"t1 ").startswith(b"t1 BAD")
    assert line.ask(b"NOOP").startswith(b"t1 OK")


def test_commands_in_the_wrong_state_are_bad(instance: Instance, person: Person) -> None:
    line = Line(instance.port(143))
    line.until(b"* OK")
    for command in (b"SELECT INBOX", b"FETCH 1 FLAGS", b"APPEND INBOX {3+}\r\nabc", b"IDLE", b"nonsense", b"\0"):
        assert line.ask(command).startswith(b"t1 BAD"), command
    login_command = f'LOGIN {person.name} "{person.password}"'.encode()
    assert line.ask(login_command).startswith(b"t1 OK")
    assert line.ask(login_command).startswith(b"t1 BAD")
    assert line.ask(b"FETCH 1 FLAGS").startswith(b"t1 BAD")


def test_bare_lf_ends_a_command_or_is_refused_but_does_not_hang(line: Line) -> None:
    line.send(b"t1 NOOP\nt2 NOOP\r\n")
    assert line.until(b"t").startswith((b"t1 OK", b"t1 BAD"))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"Subject: nul\r\n\r\na\0b\r\n", id="NUL"),
        pytest.param(b"Subject: bare\n\nlf\nonly\n", id="bare LF"),
        pytest.param(b"Subject: bare\r\rcr\r", id="bare CR"),
        pytest.param(b"X: " + b"y" * 200_000 + b"\r\nSubject: long\r\n\r\nbody\r\n", id="200 KB in one field"),
        pytest.param(
            b"".join(b"X-%d: %s\r\n" % (n, b"z" * 80) for n in range(2500)) + b"Subject: many\r\n\r\nb\r\n",
            id="200 KB of fields",
        ),
        pytest.param(b"no header at all", id="no header"),
        pytest.param(b"", id="empty"),
        pytest.param(b"Content-Type: text/plain; charset=x-unknown\r\n\r\n\xff\xfe\xfd\r\n", id="unknown charset"),
        pytest.param(b"Content-Transfer-Encoding: base64\r\n\r\n!!!!not base64!!!!\r\n", id="broken base64"),
        pytest.param(bytes(range(256)) * 40, id="all bytes"),
    ],
)
def test_any_message_is_kept_as_it_is_or_refused(
    instance: Instance, person: Person, line: Line, message: bytes
) -> None:
    answer = line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message))
    if not answer.startswith(b"t1 OK"):
        assert answer.startswith((b"t1 NO", b"t1 BAD")), answer
        assert b"\0" in message or not message, answer  # NUL has no place in a literal (RFC 9051 §4.3)
        assert line.ask(b"NOOP").startswith(b"t1 OK")
        return
    assert [content for content, _ in instance.messages(person)] == [message]
    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    for command in (
        b"FETCH 1 (ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE)",
        b"FETCH 1 (BODY[HEADER.FIELDS (SUBJECT)] BODY[1] BODY[1.MIME] BINARY.PEEK[1])",
        b"SEARCH BODY body SUBJECT x",
    ):
        assert line.ask(command).startswith((b"t1 OK", b"t1 NO [UNKNOWN-CTE]")), command
    assert instance.nmsd("check", person.address).returncode == 0


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


@pytest.mark.parametrize("make", [nested, forwarded])
@pytest.mark.parametrize("depth", [50, 1000])
def test_deep_nesting_is_kept_and_described_to_a_limit(
    instance: Instance, person: Person, line: Line, make: object, depth: int
) -> None:
    message = make(depth) if callable(make) else b""
    assert line.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(message), message)).startswith(b"t1 OK")
    assert line.ask(b"SELECT INBOX").startswith(b"t1 OK")
    assert line.ask(b"FETCH 1 (BODYSTRUCTURE ENVELOPE)").startswith(b"t1 OK")
    assert line.ask(b"FETCH 1 BODY[1.1.1.1]").startswith(b"t1 OK")
    assert line.ask(b"SEARCH BODY innermost").startswith(b"t1 OK")
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
    for command, code in (
        (b"DATA", b"503"),
        (b"HELO x", b"50"),
        (b"LHLO x", b"250 "),
        (b"MAIL FROM:not an address", b"501"),
        (b"RCPT TO:<x@y>", b"503"),
        (b"x" * 5000, b"50"),
        (b"MAIL FROM:<a@b.c>", b"250"),
        (b"RCPT TO:<nobody-here@example.com>", b"550"),
        (b"DATA", b"503"),
        (b"RSET", b"250"),
        (b"QUIT", b"221"),
    ):
        line.send(command + b"\r\n")
        line.until(code)


def test_pop3_answers_nonsense_and_goes_on(instance: Instance, person: Person) -> None:
    line = Line(instance.port(110))
    line.until(b"+OK")
    for command, answer in (
        (b"STAT", b"-ERR"),
        (b"\0\xff", b"-ERR"),
        (b"y" * 5000, b"-ERR"),
        (b"USER " + person.name.encode(), b"+OK"),
        (b"PASS " + person.password.encode(), b"+OK"),
        (b"RETR 1", b"-ERR"),
        (b"RETR -1", b"-ERR"),
        (b"DELE 99999999999999999999", b"-ERR"),
        (b"TOP 1", b"-ERR"),
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
