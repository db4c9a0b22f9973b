"""Transcripts of line protocols (POP3, LMTP): dialogues as text, and what runs them on the core.

A file holds scenarios, each begun by a `== sentence ==` line of what it shows.  Before its first client line:

    user alice secret; mailQuota: 5000       a user of example.com with a password, and further lines of the entry
    mailbox alice INBOX: one, @letter (\\Seen)   messages: words make small ones, @name a message
    message letter:                          a message, line by line behind "| " (CRLF ends each; `message letter
    | Subject: hi                            escaped:` takes Python's escapes and nothing but them ends a line)
    setting service.pop.popminpoll = 60      a setting (Python literal)
    peer tls                                 clients come with TLS; `peer local` from a Unix socket, `peer
                                             certificate` with a certificate of their own (alice's), `peer
                                             stranger` with one that is nobody's

Then, in order:

    C1: NOOP              client 1 sends a line; lines of one client in a row go out together
    C1~ a\\0\\r\\n           bytes, escapes count; {@letter} stands for a message
    S1: +OK ...           the next line that client 1 gets; "..." is anything, $name a word, the same ever after
    S1| {@letter}         bytes that client 1 gets next
    S1: (nothing)         nothing came
    S1: (rest)            whatever else came is ignored
    tls 1                 the server has asked for the handshake, which is then done
    closed 1              the server has closed
    end 1                 client 1 sends its end of file;  close 1: it is gone
    time 30               so many seconds pass
    holds alice INBOX 2   so many messages are in the mailbox
    stored alice INBOX 1  the first message there is looked at:
    M: Subject: hi        its next line
    M| {@letter}          its next bytes
    M: (end)              its end
    flags alice INBOX 1: \\Seen $Forwarded
    expunge alice INBOX 1     somebody else removes the first message there

    logged badlogin: [192.0.2.1] ...          the log has had such a line, after the one looked for last

In any line <<text>> stands for its base64 (escapes count).  All that came must be expected.  A line that begins with #
is a comment.  Each scenario runs with the clients' bytes sent whole and one at a time.
"""

from __future__ import annotations

import ast
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmsd.config.services import DEFAULT_DOMAIN, HOSTNAME
from nmsd.config.setting import Config
from nmsd.directory.api import User
from nmsd.directory.ldif import LdifDirectory
from nmsd.directory.settings import ARGON2_MEMORY, ARGON2_TIME
from nmsd.lmtp.service import LmtpService
from nmsd.model.errors import BadCredentials
from nmsd.model.flags import flag_names, split_flags
from nmsd.model.message import Field, Instant, NewMessage
from nmsd.model.uidset import UidSet
from nmsd.pop3.service import PopService
from nmsd.server.gate import DirectoryGate
from nmsd.server.throttle import make_throttles
from nmsd.store.api import Account
from nmsd.store.runtime import PlainRuntime
from nmsd.store.sqlite.engine import open_store
from nmsd.wire.protocol import Control, Conversation, Job, Peer

START = 1_700_000_000
_LINE = re.compile(r"([CS])(\d+)([:|~]) ?(.*)", re.DOTALL)
_BASE64 = re.compile(r"<<(.*?)>>")
_MESSAGE = re.compile(rb"\{@(\w+)\}")
_SERVICES: Mapping[str, Any] = {"pop3": PopService, "lmtp": LmtpService}


class Failed(AssertionError):
    """The server did not answer as the transcript says."""


@dataclass
class Scenario:
    """One dialogue."""

    title: str
    path: Path
    line: int
    users: list[str] = field(default_factory=list)
    mailboxes: list[tuple[str, str, list[str]]] = field(default_factory=list)
    messages: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    peer: str = ""
    lines: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.path.stem}:{self.line}:{self.title}"


def unescape(text: str) -> bytes:
    """Text with Python's escapes as bytes; characters beyond ASCII in UTF-8."""
    raw = text.encode().decode("latin-1")
    return bytes(ast.literal_eval("'''" + raw.replace("'", "\\'") + "'''"), "latin-1")


def in_base64(line: str) -> str:
    """A line with its <<text>> in base64."""
    return _BASE64.sub(lambda found: b64encode(unescape(found[1])).decode(), line)


def word_message(word: str) -> bytes:
    """The small message a bare word makes."""
    return f"From: bob@example.com\r\nSubject: {word}\r\n\r\n{word} text\r\n".encode()


def load(path: Path) -> list[Scenario]:
    """The scenarios of a file."""
    scenarios: list[Scenario] = []
    collecting: tuple[str, bool] | None = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = in_base64(raw)
        if collecting is not None and line.startswith("|"):
            name, escaped = collecting
            scenarios[-1].messages[name] += unescape(line[2:]) if escaped else line[2:].encode() + b"\r\n"
            continue
        collecting = None
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("=="):
            scenarios.append(Scenario(line.strip("= "), path, number))
            continue
        word, _, rest = line.partition(" ")
        scenario = scenarios[-1]
        if word == "message":
            name, *escaped_word = rest.rstrip(":").split()
            scenario.messages[name] = b""
            collecting = (name, bool(escaped_word))
        elif word == "user":
            scenario.users.append(rest)
        elif word == "mailbox":
            where, _, items = rest.partition(":")
            user, name = where.split(" ", 1)
            scenario.mailboxes.append((user, name, [item.strip() for item in items.split(",") if item.strip()]))
        elif word == "setting":
            name, _, value = rest.partition("=")
            scenario.settings[name.strip()] = ast.literal_eval(value.strip())
        elif word == "peer":
            scenario.peer = rest
        else:
            scenario.lines.append((number, line))
    return scenarios


class Client:
    """A client of the core.  It does what the worker does: runs jobs in turn, one at a time."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.out = b""
        self.open = True
        self.wants_tls = False
        self.perform(conversation.greet())

    def perform(self, job: Job | None) -> None:
        while job is not None:
            for piece in job.output:
                if isinstance(piece, bytes):
                    self.out += piece
                elif piece is Control.CLOSE:
                    self.open = False
                elif piece is Control.START_TLS:
                    self.wants_tls = True
            job = self.conversation.next_job() if self.open and not self.wants_tls else None

    def send(self, data: bytes) -> None:
        """Gives the server bytes; b'' is the end of file."""
        if self.open:
            self.conversation.feed(data)
            if not self.wants_tls:
                self.perform(self.conversation.next_job())

    def take_line(self) -> bytes | None:
        """The next line that the server said, without its end."""
        line, end, rest = self.out.partition(b"\r\n")
        if not end:
            return None
        self.out = rest
        return line


class Certificates:
    """Whose a certificate is: alice's, but for a stranger's."""

    def __init__(self, directory: LdifDirectory) -> None:
        self.directory = directory

    def user_of(self, certificate: bytes) -> User:
        user = self.directory.find("alice")
        if user is None or certificate == b"stranger":
            raise BadCredentials("nobody's")
        return user

    def subject_of(self, certificate: bytes) -> str:
        return "cn=somebody"


class Play:
    """One run of a scenario; `chunk` is how many bytes go at a time, 0 for all."""

    def __init__(self, scenario: Scenario, protocol: str, folder: Path, chunk: int) -> None:
        self.scenario = scenario
        self.chunk = chunk
        self.time = float(START)
        self.log_lines: list[tuple[str, str]] = []
        self.clients: dict[int, Client] = {}
        self.bindings: dict[str, bytes] = {}
        self.message = b""
        settings = {
            DEFAULT_DOMAIN.name: "example.com",
            HOSTNAME.name: "mail.example.com",
            ARGON2_MEMORY.name: 1 << 13,
            ARGON2_TIME.name: 1,
            **scenario.settings,
        }
        self.config = Config(settings, str(folder))
        (folder / "etc").mkdir()
        (folder / "etc" / "directory.ldif").write_text("".join(map(_entry, scenario.users)))
        self.store = open_store(folder / "store", PlainRuntime(), lambda account, mailbox_id, modseq: None)
        self.directory = LdifDirectory(self.config, PlainRuntime(), self.log)
        throttles = make_throttles(memoryview(bytearray(1024)).cast("Q"), bytes(16), self.config, lambda: self.time)
        gate = DirectoryGate(
            *(self.config, self.directory, self.store, throttles, self.log, lambda: self.time, self.pause),
            certificates=Certificates(self.directory),
        )
        self.service = _SERVICES[protocol](
            config=self.config,
            store=self.store,
            gate=gate,
            directory=self.directory,
            changes=None,
            log=self.log,
            now=lambda: self.time,
        )
        for user, name, items in scenario.mailboxes:
            self.fill(self.account(user), name, items)

    def log(self, level: str, category: str, text: str, **fields: Any) -> None:
        self.log_lines.append((level, f"{category}: {text} {fields}"))

    def pause(self, seconds: float) -> None:
        self.time += seconds

    def account(self, user: str) -> Account:
        """The account of a user of example.com."""
        return self.store.account(user if "@" in user else f"{user}@example.com")

    def fill(self, account: Account, name: str, items: list[str]) -> None:
        account.ensure()
        if name not in [mailbox.name for mailbox in account.mailboxes()]:
            account.create(name)
        for item in items:
            word, _, flags = item.partition(" ")
            data = self.scenario.messages[word[1:]] if word.startswith("@") else word_message(word)
            system_flags, keywords = split_flags(flags.strip("()").split())
            message = NewMessage(data, Instant(START), system_flags, keywords)
            account.append(account.mailbox(name).id, (message,))

    def run(self) -> None:
        """Plays all lines.  Raises Failed."""
        pending: tuple[int, bytes] = (0, b"")
        for number, line in self.scenario.lines:
            said = _LINE.match(line)
            if said is not None and said.group(1) == "C":
                client = int(said.group(2))
                if client != pending[0]:
                    self.send(*pending)
                    pending = (client, b"")
                pending = (client, pending[1] + self.bytes_of(said.group(4), said.group(3)))
                continue
            self.send(*pending)
            pending = (0, b"")
            try:
                if said is not None:
                    self.expect(int(said.group(2)), said.group(3), said.group(4))
                else:
                    self.direct(line)
            except Failed as failure:
                raise Failed(f"{self.scenario.path.name}:{number}: {failure}") from None
        self.send(*pending)
        for number, client in self.clients.items():
            if client.out:
                raise Failed(f"{self.scenario}: client {number} also got {client.out!r}")
            client.conversation.close()

    def client(self, number: int) -> Client:
        found = self.clients.get(number)
        if found is None:
            kind = self.scenario.peer
            tls, local = kind in ("tls", "certificate", "stranger"), kind == "local"
            address = "" if local else f"192.0.2.{number}"
            peer = Peer(
                address,
                40_000,
                "192.0.2.99",
                110,
                tls=tls,
                cipher_bits=256 if tls else 0,
                certificate=kind.encode() if kind in ("certificate", "stranger") else None,
                local=local,
            )
            found = self.clients[number] = Client(self.service.open(peer, f"session{number}"))
        return found

    def bytes_of(self, text: str, mark: str) -> bytes:
        data = unescape(text) if mark in "~|" else text.encode() + b"\r\n"
        return _MESSAGE.sub(lambda found: self.scenario.messages[found.group(1).decode()], data)

    def send(self, number: int, data: bytes) -> None:
        if not number:
            return
        client = self.client(number)
        step = self.chunk or max(len(data), 1)
        for start in range(0, len(data), step):
            client.send(data[start : start + step])

    def expect(self, number: int, mark: str, text: str) -> None:
        client = self.client(number)
        if text == "(rest)":
            client.out = b""
        elif text == "(nothing)":
            if client.out:
                raise Failed(f"wanted nothing, got {client.out!r}")
        elif mark == "|":
            wanted = self.bytes_of(text, mark)
            if not client.out.startswith(wanted):
                raise Failed(f"wanted {wanted!r}, got {client.out!r}")
            client.out = client.out[len(wanted) :]
        else:
            line = client.take_line()
            if line is None or not self.match(text, line):
                raise Failed(f"wanted {text!r}, got {line!r}, then {client.out!r}")

    def match(self, text: str, line: bytes) -> bool:
        pattern = b""
        names: list[str] = []
        for piece in re.split(r"(\.\.\.|\$\w+)", text):
            if piece == "...":
                pattern += b".*"
            elif piece.startswith("$") and len(piece) > 1 and piece in self.bindings:
                pattern += re.escape(self.bindings[piece])
            elif piece.startswith("$") and len(piece) > 1:
                names.append(piece)
                pattern += b"(?P<%b>[^ ]+)" % piece[1:].encode()
            else:
                pattern += re.escape(piece.encode())
        found = re.fullmatch(pattern, line, re.DOTALL)
        if found is None:
            return False
        self.bindings.update((name, found.group(name[1:])) for name in names)
        return True

    def look_in_log(self, text: str) -> None:
        while self.log_lines:
            _, line = self.log_lines.pop(0)
            if self.match(text, line.partition(": ")[2].encode()):
                return
        raise Failed(f"nothing like it was logged: {text}")

    def direct(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in ("M:", "M|"):
            self.look(word[1], rest)
        elif word == "logged":
            self.look_in_log(rest)
        elif word == "time":
            self.time += float(rest)
        elif word == "tls":
            client = self.client(int(rest))
            if not client.wants_tls:
                raise Failed("no handshake was asked for")
            client.wants_tls = False
            client.conversation.tls_started(Peer("192.0.2.1", 40_000, "192.0.2.99", 110, tls=True, cipher_bits=256))
            client.perform(client.conversation.next_job())
        elif word == "closed":
            if self.client(int(rest)).open:
                raise Failed("the server has not closed")
        elif word == "end":
            self.client(int(rest)).send(b"")
        elif word == "close":
            self.clients.pop(int(rest)).conversation.close()
        else:
            self.examine(word, rest)

    def examine(self, word: str, rest: str) -> None:
        where, _, flags = rest.partition(": ")
        user, name, number = re.fullmatch(r"(\S+) (.+) (\d+)", where).groups()  # type: ignore[union-attr]
        account = self.account(user)
        if not account.exists():
            account.ensure()
        mailbox = account.mailbox(name)
        uids = list(account.uids(mailbox.id))
        if word == "holds":
            if len(uids) != int(number):
                raise Failed(f"{name} holds {len(uids)} messages")
            return
        uid = uids[int(number) - 1]
        if word == "stored":
            self.message = account.read(mailbox.id, uid, 0, 1 << 30)
        elif word == "flags":
            rows = [row for rows in account.fetch(mailbox.id, UidSet.of((uid,)), (Field.FLAGS,)) for row in rows]
            found = flag_names(rows[0][1], mailbox.keywords)
            if found != flags.split():
                raise Failed(f"flags are {found}")
        elif word == "expunge":
            account.expunge(mailbox.id, UidSet.of((uid,)), only_deleted=False)
        else:
            raise Failed(f"what is {word}?")

    def look(self, mark: str, text: str) -> None:
        if text == "(end)":
            if self.message:
                raise Failed(f"there is more: {self.message!r}")
        elif mark == "|":
            wanted = self.bytes_of(text, mark)
            if not self.message.startswith(wanted):
                raise Failed(f"wanted {wanted!r}, got {self.message!r}")
            self.message = self.message[len(wanted) :]
        else:
            line, _, rest = self.message.partition(b"\r\n")
            if not self.match(text, line):
                raise Failed(f"wanted {text!r}, got {line!r}, then {rest!r}")
            self.message = rest

    def close(self) -> None:
        self.store.close()


def _entry(text: str) -> str:
    """alice secret; attribute: value; ... as an entry."""
    names, *attributes = (piece.strip() for piece in text.split(";"))
    uid, _, password = names.partition(" ")
    lines = [f"dn: uid={uid},dc=example,dc=com", f"uid: {uid}", f"userPassword: {password}", *attributes]
    if not any(line.startswith("mail:") for line in attributes):
        lines.append(f"mail: {uid}@example.com")
    return "\n".join(lines) + "\n\n"
