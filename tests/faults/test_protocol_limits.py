"""Every limit of a protocol or of the store at its edge, through a socket: the last that is taken, the first that is
not with the standard's answer, the line in the log, and that nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.clients.harness import Instance, Line, Person, instance_directory, login
from tests.clients.letters import letter

pytestmark = pytest.mark.xdist_group("protocol limits")  # one server for all

Maker = Callable[..., Instance]

K64 = 1 << 16
HEAD = b"Subject: x\r\n\r\n"
SETTINGS = {
    "imap.maxline": "1K",
    "imap.maxliterals": 3,
    "imap.maxappend": "64K",
    "imap.maxbadcommands": 3,
    "imap.maxsearchdepth": 5,
    "imap.idleheartbeat": 1,
    "service.pop.maxline": 255,
    "service.pop.maxbadcommands": 3,
    "lmtp.maxline": 512,
    "lmtp.maxrecipients": 100,
    "lmtp.maxbadcommands": 3,
    "store.maxmessagesize": "64K",
    "store.maxmailboxes": 10,
    "store.maxnamelength": 32,
    "store.maxhierarchydepth": 2,
    "store.maxmimedepth": 2,
    "store.maxmimeparts": 3,
    "store.maxmimeheader": "16K",
    "store.maxmimeaddresses": 2,
    "logfile.imap.loglevel": "Information",
}


@pytest.fixture(scope="module")
def limited() -> Iterator[Instance]:
    with instance_directory() as directory:
        server = Instance.make(directory, SETTINGS)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def person(limited: Instance) -> Person:
    return limited.add_user()


@pytest.fixture
def line(limited: Instance, person: Person) -> Line:
    return login(Line(limited.port(143)), person)


@pytest.fixture
def said(limited: Instance) -> Callable[[], str]:
    """What the logs have said since the test began."""
    logs = limited.directory / "log"
    before = {file: file.stat().st_size for file in logs.glob("*.log")}
    return lambda: "".join(file.read_text()[before.get(file, 0) :] for file in sorted(logs.glob("*.log")))


def message(size: int) -> bytes:
    """A message of exactly so many bytes."""
    return HEAD + b"y" * (size - len(HEAD) - 2) + b"\r\n"


def append(*messages: bytes, plus: bytes = b"+") -> bytes:
    return b"APPEND INBOX" + b"".join(b" {%d%s}\r\n%s" % (len(data), plus, data) for data in messages)


def lmtp(instance: Instance, *commands: bytes) -> Line:
    """A session in which these were accepted."""
    line = Line(instance.port(24))
    line.until(b"220 ")
    line.send(b"LHLO test\r\n")
    line.until(b"250 ")
    for command in commands:
        assert answer(line, command).startswith((b"2", b"3"))
    return line


def answer(line: Line, command: bytes) -> bytes:
    line.send(command + b"\r\n")
    return line.readline()


# IMAP


def test_imap_a_command_line(line: Line, said: Callable[[], str]) -> None:
    assert line.ask(b"NOOP".ljust(1024 - 3)).startswith(b"t1 BAD NOOP")  # taken, and then found wrong
    assert "line too long" not in said()
    assert line.ask(b"NOOP".ljust(1025 - 3)) == b"t1 BAD Line too long\r\n"
    assert "limit=imap.maxline" in said()
    assert line.ask(b"NOOP").startswith(b"t1 OK")


def test_imap_literals(line: Line, limited: Instance, person: Person, said: Callable[[], str]) -> None:
    assert line.ask(append(*[HEAD] * 3)).startswith(b"t1 OK")
    assert line.ask(append(*[HEAD] * 4)) == b"t1 NO [LIMIT] Too many literals\r\n"
    assert "limit=imap.maxliterals" in said()
    assert [text for text, _ in limited.messages(person)] == [HEAD] * 3


def test_imap_all_messages_of_one_append(
    line: Line, limited: Instance, person: Person, said: Callable[[], str]
) -> None:
    first = message(40_000)
    second = message(K64 - 40_000 - len(b"t1 APPEND INBOX  "))  # the command's text counts as well
    assert line.ask(append(first, second)).startswith(b"t1 OK")
    assert line.ask(append(first, second + b"z")) == b"t1 NO [TOOBIG] Too much at once\r\n"
    assert "limit=imap.maxappend" in said()
    assert [text for text, _ in limited.messages(person)] == [first, second]


def test_imap_one_message(line: Line, limited: Instance, person: Person, said: Callable[[], str]) -> None:
    line.send(b"c CAPABILITY\r\n")
    assert b" APPENDLIMIT=65536" in line.until(b"* CAPABILITY")
    line.until(b"c OK")
    most = message(K64 - 100)  # with its command it is below imap.maxappend
    assert line.ask(append(most)).startswith(b"t1 OK")
    for announced in (b"{65537}", b"{65537+}\r\n" + message(K64 + 1)):
        assert line.ask(b"APPEND INBOX " + announced) == b"t1 NO [TOOBIG] Message too large\r\n"
    assert said().count("limit=store.maxmessagesize") == 2
    assert [text for text, _ in limited.messages(person)] == [most]


def test_imap_a_literal_too_large_to_read_past_ends_in_bye(
    limited: Instance, person: Person, said: Callable[[], str]
) -> None:
    for before_login in (True, False):
        line = Line(limited.port(143))
        if before_login:
            line.until(b"* OK")
        else:
            login(line, person)
        line.send(b"a APPEND INBOX {67108865+}\r\nSubject: x\r\n")
        assert line.readline().startswith(b"* BYE [TOOBIG] ")
        assert line.rest() == b""
    assert said().count("connection closed") == 2
    assert limited.messages(person) == []


def test_imap_literals_that_do_not_wait(make_instance: Maker) -> None:
    instance = make_instance(**{"imap.nonsyncliterals": "small"})
    person = instance.add_user()
    line = Line(instance.port(143))
    assert b" LITERAL- " in line.readline()
    line.ask(f'LOGIN {person.name} "{person.password}"'.encode())
    assert line.ask(append(message(4096))).startswith(b"t1 OK")
    assert line.ask(append(message(4097))) == b"t1 BAD [TOOBIG] Non-synchronizing literal too large\r\n"
    line.send(b"w APPEND INBOX {4097}\r\n")
    assert line.readline() == b"+ OK\r\n"
    line.send(message(4097) + b"\r\n")
    assert line.until(b"w ").startswith(b"w OK")
    assert "limit=imap.nonsyncliterals" in instance.log()
    assert [text for text, _ in instance.messages(person)] == [message(4096), message(4097)]


def test_imap_depth_of_a_search(line: Line, said: Callable[[], str]) -> None:
    line.ask(b"SELECT INBOX")
    assert line.ask(b"SEARCH " + b"NOT " * 5 + b"ALL").startswith(b"t1 OK")
    assert line.ask(b"SEARCH " + b"NOT " * 6 + b"ALL") == b"t1 NO [LIMIT] Search criteria nested too deep\r\n"
    assert "search criteria nested too deep" in said()
    assert line.ask(b"SEARCH " + b"(" * 900 + b"ALL").startswith((b"t1 NO [LIMIT]", b"t1 BAD"))


def test_imap_bad_commands(line: Line, limited: Instance, person: Person, said: Callable[[], str]) -> None:
    for command in (b"X", b"X", b"NOOP", b"X", b"X"):
        assert line.ask(command).startswith(b"t1 OK" if command == b"NOOP" else b"t1 BAD")
    assert line.ask(b"X").startswith(b"t1 BAD")
    assert line.rest() == b"* BYE Too many invalid commands\r\n"
    assert "limit=imap.maxbadcommands" in said()


def test_imap_every_bad_command_is_logged_for_who_wants_to_see(line: Line, said: Callable[[], str]) -> None:
    line.ask(b"FETCH 1 FLAGS")
    assert "Information: bad command" in said()
    assert "FETCH is not allowed now" in said()


def test_imap_the_heartbeat_of_idle(line: Line) -> None:
    line.ask(b"SELECT INBOX")
    line.send(b"i IDLE\r\n")
    line.until(b"+")
    assert line.readline() == b"* OK Still here\r\n"
    line.send(b"DONE\r\n")
    assert line.until(b"i ").startswith(b"i OK")


# POP3


def test_pop_a_command_line(limited: Instance, said: Callable[[], str]) -> None:
    line = Line(limited.port(110))
    line.until(b"+OK")
    assert answer(line, b"USER " + b"u" * 250).startswith(b"+OK")
    assert answer(line, b"USER " + b"u" * 251) == b"-ERR Line too long\r\n"
    assert "limit=service.pop.maxline" in said()
    assert answer(line, b"QUIT").startswith(b"+OK")


def test_pop_bad_commands(limited: Instance, said: Callable[[], str]) -> None:
    line = Line(limited.port(110))
    line.until(b"+OK")
    for _ in range(3):
        assert answer(line, b"STAT").startswith(b"-ERR")
    assert line.rest() == b"-ERR Too many bad commands\r\n"
    assert "limit=service.pop.maxbadcommands" in said()


# LMTP


def test_lmtp_a_command_line(limited: Instance, said: Callable[[], str]) -> None:
    line = lmtp(limited)
    assert answer(line, b"NOOP " + b"n" * 507).startswith(b"250 ")
    assert answer(line, b"NOOP " + b"n" * 508) == b"500 5.5.2 Line too long\r\n"
    assert "limit=lmtp.maxline" in said()
    assert answer(line, b"QUIT").startswith(b"221 ")


def test_lmtp_recipients(limited: Instance, person: Person, said: Callable[[], str]) -> None:
    recipient = f"RCPT TO:<{person.address}>".encode()
    line = lmtp(limited, b"MAIL FROM:<>", *[recipient] * 100)
    assert answer(line, recipient) == b"452 4.5.3 Too many recipients\r\n"
    assert "limit=lmtp.maxrecipients" in said()
    assert answer(line, b"DATA").startswith(b"354 ")
    line.send(letter("to many") + b".\r\n")
    for _ in range(100):
        assert line.readline().startswith(b"250 ")
    assert len(limited.messages(person)) == 100


def test_lmtp_one_message(limited: Instance, person: Person, said: Callable[[], str]) -> None:
    recipient = f"RCPT TO:<{person.address}>".encode()
    line = lmtp(limited, b"MAIL FROM:<> SIZE=65536", recipient, b"DATA")
    line.send(message(K64) + b".\r\n")
    assert line.readline().startswith(b"250 ")
    assert answer(line, b"MAIL FROM:<> SIZE=65537") == b"552 5.3.4 Message too large\r\n"
    for command in (b"MAIL FROM:<>", recipient, b"DATA"):
        answer(line, command)
    line.send(message(K64 + 1) + b".\r\n")
    assert line.readline() == b"552 5.3.4 Message too large\r\n"
    assert "limit=store.maxmessagesize" in said()
    assert 'reply="552 5.3.4 Message too large"' in said()
    [stored] = [text for text, _ in limited.messages(person)]
    assert stored.endswith(message(K64))  # our own trace fields do not count
    assert limited.nmsd("deliver", person.name, input=message(K64 + 1), check=False).returncode == 65


def test_lmtp_bad_commands(limited: Instance, said: Callable[[], str]) -> None:
    line = lmtp(limited)
    for _ in range(3):
        assert answer(line, b"X").startswith(b"500 ")
    assert line.rest() == b"421 4.7.0 Too many bad commands\r\n"
    assert "limit=lmtp.maxbadcommands" in said()


# The store


def test_store_mailboxes(line: Line, said: Callable[[], str]) -> None:
    answers = [line.ask(b"CREATE m%d" % number)[:5] for number in range(10)]  # there are some from the beginning
    first_refused = answers.index(b"t1 NO")
    assert answers == [b"t1 OK"] * first_refused + [b"t1 NO"] * (10 - first_refused)
    line.send(b'l LIST "" *\r\n')
    listed = 0
    while line.readline().startswith(b"* LIST"):
        listed += 1
    assert listed == 10
    assert line.ask(b"CREATE one/more").startswith(b"t1 NO [LIMIT] ")
    assert line.ask(b"DELETE m0").startswith(b"t1 OK")
    assert line.ask(b"CREATE another").startswith(b"t1 OK")
    assert "Notice: " in said()
    assert "command=CREATE" in said()


def test_store_length_of_a_name(line: Line) -> None:
    assert line.ask(b"CREATE " + b"n" * 32).startswith(b"t1 OK")
    assert line.ask(b"CREATE " + b"n" * 33).startswith(b"t1 NO [LIMIT] ")
    umlauts = "\N{LATIN SMALL LETTER U WITH DIAERESIS}".encode()
    assert line.ask(b'CREATE "%s"' % (umlauts * 16)).startswith(b"t1 OK")
    assert line.ask(b'CREATE "%sx"' % (umlauts * 16)).startswith(b"t1 NO [LIMIT] ")


def test_store_levels_of_a_name(line: Line) -> None:
    assert line.ask(b"CREATE a/b").startswith(b"t1 OK")
    assert line.ask(b"CREATE a/b/c").startswith(b"t1 NO [LIMIT] ")
    assert line.ask(b"RENAME a INBOX/a").startswith(b"t1 NO [LIMIT] ")


def structure(line: Line, data: bytes) -> bytes:
    """BODYSTRUCTURE of a message that is alone in the INBOX."""
    assert line.ask(append(data)).startswith(b"t1 OK")
    line.ask(b"SELECT INBOX")
    line.send(b"f FETCH * BODYSTRUCTURE\r\n")
    found = line.until(b"* ")
    line.until(b"f OK")
    return found


def multipart(mark: bytes, *parts: bytes) -> bytes:
    body = b"".join(b"--%s\r\n%s\r\n" % (mark, part) for part in parts)
    return b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n%s--%s--\r\n" % (mark, body, mark)


def test_mime_levels(line: Line, limited: Instance, person: Person) -> None:
    plain = b"Content-Type: text/plain\r\n\r\ninnermost"
    taken, opaque = multipart(b"a", plain), multipart(b"a", multipart(b"b", plain))
    assert b'"text" "plain"' in structure(line, taken)
    assert b'"plain"' not in structure(line, opaque)
    assert [text for text, _ in limited.messages(person)] == [taken, opaque]
    line.ask(b"SELECT INBOX")
    line.send(b"s SEARCH TEXT innermost\r\n")
    assert line.until(b"* SEARCH").startswith(b"* SEARCH 1")


def test_mime_parts(line: Line, limited: Instance, person: Person) -> None:
    part = b"Content-Type: text/plain\r\n\r\nx"
    taken, too_many = multipart(b"a", part, part), multipart(b"a", part, part, part)
    assert structure(line, taken).count(b'"plain"') == 2
    assert structure(line, too_many).count(b'"plain"') == 2
    assert [text for text, _ in limited.messages(person)] == [taken, too_many]


def test_mime_header(line: Line, limited: Instance, person: Person) -> None:
    fields = []
    for room in (16_384, 16_387):  # of the second the line end and a letter have no place
        fill = room - len(b"X: \r\nSubject: found\r\n")
        fields.append(b"X: " + b"f" * fill + b"\r\nSubject: found\r\n\r\nbody\r\n")
        assert line.ask(append(fields[-1])).startswith(b"t1 OK")
    line.ask(b"SELECT INBOX")
    line.send(b"f FETCH 1:* ENVELOPE\r\n")
    assert b'"found"' in line.until(b"* 1 FETCH")
    assert b'"found"' not in line.until(b"* 2 FETCH")
    assert [text for text, _ in limited.messages(person)] == fields


def test_mime_addresses(line: Line) -> None:
    for count in (2, 3):
        to = b", ".join(b"u%d@example.com" % number for number in range(count))
        assert line.ask(append(b"To: " + to + b"\r\n\r\n")).startswith(b"t1 OK")
    line.ask(b"SELECT INBOX")
    line.send(b"f FETCH 1:* ENVELOPE\r\n")
    for number in (1, 2):
        assert line.until(b"* %d FETCH" % number).count(b'"example.com"') == 2
