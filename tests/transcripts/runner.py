"""Transcripts: dialogues of one or more IMAP clients with the server, as text, and what runs them.

A file holds scenarios, each begun by a `== sentence ==` line of what it shows (a file of one may leave it out).  Before
its first client line:

    mailbox NAME: hello, @letter (\\Seen Work), ...   a mailbox and its messages: words make small ones, @name a message
    message letter:                                   a message, line by line behind "| " (CRLF ends each; Python's
    | Subject: hi                                     escapes such as \\x00 count in `message letter escaped:`)
    setting imap.maxline = 2048                       a setting (Python literal)
    quota size=1000 messages=3                        the user's quota
    needs: CAPABILITY ...                             what it is about; the server must have it
    state none                                        clients do not log in by themselves
    peer tls                                          clients come with TLS; `peer certificate` with a certificate of
                                                      their own (alice's), `peer stranger` with one that is nobody's

Then, in order:

    C1: select INBOX                  a command of client 1; the runner gives the tag.  {@letter} sends the message as a
                                      literal, {"text"} a string so (escapes count); {@letter+} without waiting,
                                      ~{@letter} as literal8
    C1| DONE                          a line without a tag (escapes count)
    C1~ tag noop                      a line just as it is, nothing waited for (escapes count)
    S1: * 3 EXISTS                    an untagged line that client 1 got.  Untagged lines may come in any order
    S1! * 3 EXISTS                    but those with "!" in the order given
    S1: + ...                         a continuation request
    S1: OK [READ-WRITE]               the tagged answer: status, response code if given, text if given
    S1: ...                           whatever else came is ignored
    S1: (nothing)                     nothing came
    time 30                           so many seconds pass
    heartbeat 1                       the coarse timer looks at client 1
    close 1                           client 1 goes away

In an S line $name stands for a word and is the same word ever after, in C lines too; $tag is the tag of the client's
last command; `...` stands for anything, {@letter} and {"text"} for literals, <<text>> for its base64 (escapes count)
in any line.  All that came must be expected, but for
what SELECT and EXAMINE tell.  A line that begins with # is a comment, as is two spaces and # and the rest.

Every scenario runs with the client's bytes sent whole, and one at a time.
"""

from __future__ import annotations

import ast
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Bindings = dict[str, bytes]

_LITERAL = re.compile(r'(~?)\{(?:@(\w+)|"((?:[^"\\]|\\.)*)")(\+?)\}')
_COMMENT = re.compile(r"\s{2,}#.*")
_BASE64 = re.compile(r"<<(.*?)>>")
_CLIENT_LINE = re.compile(r"C(\d+)([:|~]) ?(.*)")
_SERVER_LINE = re.compile(r"S(\d+)([:!]) (.*)")


class Failed(AssertionError):
    """The server did not answer as the transcript says."""


@dataclass(frozen=True)
class FixtureMessage:
    """A message of a fixture mailbox, with its flags."""

    data: bytes
    flags: tuple[str, ...] = ()


@dataclass
class Scenario:
    """One dialogue: what is there before, and its lines with their numbers in the file."""

    title: str
    path: Path
    line: int
    mailboxes: list[tuple[str, list[FixtureMessage]]] = field(default_factory=list)
    messages: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    quota: dict[str, int] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    logs_in: bool = True
    peer: str = ""
    lines: list[tuple[int, str]] = field(default_factory=list)


class Client(Protocol):
    """One client's connection to the server under test."""

    def send(self, data: bytes) -> None:
        """Gives the server bytes."""

    def received(self) -> bytes:
        """All that the server has said since the last call, once it waits for the client again."""

    def pass_time(self, seconds: float) -> None:
        """Lets time pass, where time is the test's."""

    def heartbeat(self) -> None:
        """Lets the coarse timer look at the connection."""

    def close(self) -> None:
        """Goes away."""


class Server(Protocol):
    """A server under test, with a scenario's fixtures in it."""

    login: bytes
    """LOGIN's arguments, for clients that log in by themselves."""

    def connect(self) -> Client:
        """A new client, before the greeting is read."""


def unescape(text: str) -> bytes:
    """Text with Python's escapes as bytes."""
    return ast.literal_eval("'''" + text.replace("'", "\\'") + "'''").encode("latin-1")


def in_base64(line: str) -> str:
    """A line with its <<text>> in base64."""
    return _BASE64.sub(lambda found: b64encode(unescape(found[1])).decode(), line)


def word_message(word: str) -> bytes:
    """The small message a bare word in a mailbox line makes."""
    return (
        f"From: Bob <bob@example.com>\r\nTo: alice@example.com\r\nSubject: {word}\r\n"
        f"Message-ID: <{word}@example.com>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\n{word} text\r\n"
    ).encode()


def load(path: Path) -> list[Scenario]:
    """The scenarios of a file.  Raises ValueError, naming the line."""
    scenarios: list[Scenario] = []
    collecting: tuple[str, bool] | None = None
    shared: dict[str, bytes] = {}
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        target = scenarios[-1].messages if scenarios else shared
        if collecting is not None:
            if raw.startswith("|"):
                text = raw[2:]
                data = unescape(text) if collecting[1] else text.encode()
                target[collecting[0]] = target[collecting[0]] + data + b"\r\n"
                continue
            collecting = None
        line = in_base64(_COMMENT.sub("", raw).rstrip())
        if not line or line.startswith("#"):
            continue
        if line.startswith("=="):
            scenarios.append(Scenario(line.strip("= "), path, number, messages=dict(shared)))
            continue
        if line.startswith("message "):
            name, *escaped = line.removeprefix("message ").rstrip(":").split()
            target[name] = b""
            collecting = (name, bool(escaped))
            continue
        if not scenarios:
            scenarios.append(Scenario("the dialogue", path, number, messages=dict(shared)))
        try:
            _take(scenarios[-1], number, line)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}:{number}: {line!r}: {error!r}") from None
    return scenarios


def _take(scenario: Scenario, number: int, line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == "mailbox":
        name, _, items = rest.partition(":")
        messages = [_fixture(scenario, item.strip()) for item in items.split(",") if item.strip()]
        scenario.mailboxes.append((name.strip(), messages))
    elif word == "setting":
        name, _, value = rest.partition("=")
        scenario.settings[name.strip()] = ast.literal_eval(value.strip())
    elif word == "quota":
        scenario.quota = {name: int(value) for name, value in (item.split("=") for item in rest.split())}
    elif word == "needs:":
        scenario.needs.extend(rest.split())
    elif word == "peer":
        scenario.peer = rest
    elif line == "state none":
        scenario.logs_in = False
    elif word in ("time", "heartbeat", "close") or _CLIENT_LINE.match(line) or _SERVER_LINE.match(line):
        scenario.lines.append((number, line))
    else:
        raise ValueError("what is this?")


def _fixture(scenario: Scenario, item: str) -> FixtureMessage:
    name, _, flags = item.partition(" ")
    data = scenario.messages[name[1:]] if name.startswith("@") else word_message(name)
    return FixtureMessage(data, tuple(flags.strip("()").split()))


class Expected:
    """Consecutive S lines of one client."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.free: list[tuple[int, str]] = []
        self.ordered: list[tuple[int, str]] = []
        self.end: tuple[int, str] | None = None
        self.ignores_rest = False

    def add(self, number: int, mark: str, text: str) -> None:
        """Takes one more line."""
        if text == "...":
            self.ignores_rest = True
        elif text == "(nothing)":
            pass
        elif mark == "!":
            self.ordered.append((number, text))
        elif text.startswith(("* ", "+")):
            self.free.append((number, text))
        else:
            self.end = (number, text)


class Play:
    """One run of a scenario against a server; `chunk` is how many bytes go at a time, 0 for all."""

    def __init__(self, scenario: Scenario, server: Server, chunk: int) -> None:
        self.scenario = scenario
        self.server = server
        self.chunk = chunk
        self.clients: dict[int, Client] = {}
        self.tags: dict[int, str] = {}
        self.selecting: dict[int, bool] = {}
        self.counts: dict[int, int] = {}
        self.inbox: dict[int, bytes] = {}
        self.bindings: Bindings = {}

    def run(self) -> None:
        """Plays all lines.  Raises Failed."""
        expected: dict[int, Expected] = {}
        for number, line in self.scenario.lines:
            served = _SERVER_LINE.match(line)
            if served is not None:
                client = int(served.group(1))
                self._client(client)
                expected.setdefault(client, Expected(number)).add(number, served.group(2), served.group(3))
                continue
            self._check_all(expected)
            said = _CLIENT_LINE.match(line)
            if said is not None:
                self._say(number, int(said.group(1)), said.group(2), said.group(3))
            else:
                self._direct(line)
        self._check_all(expected)
        for number in self.clients:
            self._check(number, Expected(self.scenario.lines[-1][0]), only_if_any=True)
        for client in self.clients.values():
            client.close()

    def _direct(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "time":
            for client in self.clients.values():
                client.pass_time(float(rest))
                break
        elif word == "heartbeat":
            self._client(int(rest)).heartbeat()
        else:
            client = self.clients.pop(int(rest))
            client.close()

    def _client(self, number: int) -> Client:
        client = self.clients.get(number)
        if client is None:
            client = self.clients[number] = self.server.connect()
            self.inbox[number] = b""
            if self.scenario.logs_in:
                client.received()
                self._send(client, b"in login " + self.server.login + b"\r\n")
                answer = client.received()
                assert b"in OK" in answer, answer
        return client

    def _send(self, client: Client, data: bytes) -> None:
        step = self.chunk or max(len(data), 1)
        for start in range(0, len(data), step):
            client.send(data[start : start + step])

    def _say(self, line: int, number: int, mark: str, text: str) -> None:
        client = self._client(number)
        self._drain(number, line)
        if mark == "~":
            self._send(client, unescape(text))
            self.inbox[number] += client.received()
            return
        if mark == "|":
            self._send(client, unescape(text) + b"\r\n")
            self.inbox[number] += client.received()
            return
        self.counts[number] = self.counts.get(number, 0) + 1
        tag = f"c{number}x{self.counts[number]}"
        self.tags[number] = tag
        self.selecting[number] = text.partition(" ")[0].upper() in ("SELECT", "EXAMINE")
        self.bindings["$tag"] = tag.encode()
        text = self._bound(text)
        pending = tag.encode() + b" "
        position = 0
        for found in _LITERAL.finditer(text):
            data = self._literal(found)
            eager = bool(found.group(4))
            announced = f"{found.group(1)}{{{len(data)}{found.group(4)}}}\r\n"
            pending += (text[position : found.start()] + announced).encode()
            position = found.end()
            if eager:
                pending += data
                continue
            self._send(client, pending)
            answer = client.received()
            if not answer.startswith(b"+"):
                self.inbox[number] += answer  # refused
                return
            pending = data
        pending += text[position:].encode() + b"\r\n"
        self._send(client, pending)
        self.inbox[number] += client.received()

    def _bound(self, text: str) -> str:
        """A command with the $names that have been bound; others ($Junk, $) are themselves."""
        return re.sub(r"\$\w+", lambda found: self.bindings.get(found.group(), found.group().encode()).decode(), text)

    def _literal(self, found: re.Match[str]) -> bytes:
        name = found.group(2)
        return self.scenario.messages[name] if name else unescape(found.group(3))

    def _drain(self, number: int, line: int) -> None:
        """Complains of what came and no S line expected."""
        self.inbox[number] += self.clients[number].received()
        if self.inbox[number]:
            self._fail(line, f"client {number} also got {self.inbox[number]!r}")

    def _check_all(self, expected: dict[int, Expected]) -> None:
        for client, wanted in expected.items():
            self._check(client, wanted)
        expected.clear()

    def _check(self, number: int, expected: Expected, only_if_any: bool = False) -> None:
        self.inbox[number] += self.clients[number].received()
        got = list(split_responses(self.inbox[number]))
        self.inbox[number] = b""
        if only_if_any and not got:
            return
        untagged = [line for line in got if line.startswith((b"* ", b"+"))]
        tagged = [line for line in got if not line.startswith((b"* ", b"+"))]
        if expected.end is not None:
            self._match_end(number, *expected.end, tagged, got)
        elif tagged:
            self._fail(expected.number, f"unexpected {tagged[0]!r}")
        position = 0
        for line, text in expected.ordered:
            place = self._find(text, untagged, position)
            if place < 0:
                self._fail(line, f"wanted {text!r} (after those before), got {_shown(got)}")
            del untagged[place]
            position = place
        for line, text in expected.free:
            place = self._find(text, untagged, 0)
            if place < 0:
                self._fail(line, f"wanted {text!r}, got {_shown(got)}")
            del untagged[place]
        ignores_rest = expected.ignores_rest or (expected.end is not None and self.selecting.get(number, False))
        if untagged and not ignores_rest:
            self._fail(expected.number, f"also got {_shown(untagged)}")

    def _find(self, text: str, lines: list[bytes], start: int) -> int:
        for place in range(start, len(lines)):
            if self._match(text, lines[place]):
                return place
        return -1

    def _match_end(self, number: int, line: int, text: str, tagged: list[bytes], got: list[bytes]) -> None:
        tag = self.tags.get(number, "*").encode() + b" "
        if len(tagged) != 1:
            self._fail(line, f"wanted {text!r}, got {_shown(got)}")
        answer = tagged[0]
        if not re.match(r"(OK|NO|BAD)\b", text):  # a tag of its own
            tag = b""
        if not answer.startswith(tag) or not self._match(text, answer[len(tag) :], prefix=True):
            self._fail(line, f"wanted {text!r}, got {_shown(got)}")

    def _match(self, text: str, line: bytes, prefix: bool = False) -> bool:
        names: list[str] = []
        pattern = b""
        for piece in re.split(r'(\.\.\.|\$\w+|~?\{(?:@\w+|"(?:[^"\\]|\\.)*")\})', text):
            literal = _LITERAL.fullmatch(piece)
            if piece == "...":
                pattern += b".*"
            elif piece.startswith("$") and len(piece) > 1:
                known = self.bindings.get(piece)
                if known is not None:
                    pattern += re.escape(known)
                elif piece in names:
                    pattern += b"(?P=%b)" % piece[1:].encode()
                else:
                    names.append(piece)
                    pattern += b"(?P<%b>[^ ()\\[\\]]+)" % piece[1:].encode()
            elif literal is not None:
                data = self._literal(literal)
                pattern += re.escape(b"%b{%d}\r\n" % (literal.group(1).encode(), len(data)) + data)
            else:
                pattern += re.escape(piece.encode())
        if not prefix:
            pattern += rb"\Z"
        found = re.match(pattern, line, re.DOTALL)
        if found is None:
            return False
        for name in names:
            self.bindings[name] = found.group(name[1:])
        return True

    def _fail(self, line: int, text: str) -> None:
        raise Failed(f"{self.scenario.path.name}:{line}: {text}")


def _shown(lines: list[bytes]) -> str:
    return "\n    ".join(["", *(repr(line) for line in lines)]) or "nothing"


def split_responses(data: bytes) -> Iterator[bytes]:
    """What a server said, response by response, line ends taken off, literals in place."""
    start = position = 0
    while position < len(data):
        end = data.find(b"\r\n", position)
        if end < 0:
            raise Failed(f"a response without an end: {data[start:]!r}")
        announced = re.search(rb"\{(\d+)\}\Z", data[position:end])
        position = end + 2
        if announced is not None:
            position += int(announced.group(1))
            continue
        yield data[start:end]
        start = position
