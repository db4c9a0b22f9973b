"""An IMAP connection, sans-IO: bytes in, commands framed and checked, jobs out (wire.protocol.Conversation).

A command is framed first; when its name is known its state is checked and its literals are let in or not; it is parsed
once, when all of it has come.  One place turns the ways a handler can end into the tagged answer.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from nmsd.config.services import IMAP, MAX_MESSAGE_SIZE
from nmsd.imap import settings
from nmsd.imap.errors import Bye, No, as_no, is_servers_fault
from nmsd.imap.registry import Answer, Command, Continue, Done, Sync
from nmsd.imap.session import Session
from nmsd.imap.state import Event, State
from nmsd.imap.sync import is_quiet, sync
from nmsd.imap.tables import Tables
from nmsd.model.errors import DirectoryError, NmsdError
from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Announced, Framer, Literal, Trouble, split_announcement
from nmsd.wire.protocol import Control, Job, Output, Peer
from nmsd.wire.reader import NAME_LIMIT, Reader, split_tag, split_word
from nmsd.wire.tally import UNKNOWN

_LITERAL_MINUS = 4096
_COMMAND_MAX = 1 << 20
"""All literals and lines of a command that takes no messages; it is held in memory, before login, too."""
_SKIP_MAX = 1 << 26
"""A refused literal that the client sends anyway is read past up to this size; a longer one ends the session."""


class ImapConversation:
    """One connection."""

    __slots__ = (
        "_bad",
        "_command",
        "_continue",
        "_ended",
        "_framer",
        "_greeting",
        "_last_told",
        "_literals",
        "_no",
        "_parts",
        "_start",
        "_tables",
        "_tag",
        "account",
        "session",
        "user",
    )

    def __init__(self, session: Session, tables: Tables, greeting: bytes) -> None:
        self.session: Session = session
        self.user: str = ""
        self.account: str = ""
        self._tables: Tables = tables
        self._greeting: bytes = greeting
        self._framer: Framer = Framer(session.shared.config[settings.MAX_LINE])
        self._tag: bytes = b""
        self._command: Command | None = None
        self._start: int = 0
        self._parts: list[bytes] = []
        self._literals: list[Literal] = []
        self._no: No | None = None
        self._continue: Continue | None = None
        self._bad: int = 0
        self._ended: bool = False
        self._last_told: float = 0.0

    # What the worker asks

    @property
    def state(self) -> str:
        """A word for the sessions table."""
        view = self.session.view
        if view is not None:
            return ("idle in " if self.account else "selected ") + view.name
        return "not authenticated" if self.session.user is None else "authenticated"

    @property
    def idle_limit(self) -> float:
        """Seconds of silence the client may keep: shorter before login."""
        config = self.session.shared.config
        if self.session.user is None:
            return float(config[settings.LOGIN_TIMEOUT])
        return config[IMAP.idle_timeout] * 60.0

    def greet(self) -> Job:
        """The greeting, with the capabilities of the moment."""
        line = b"* OK [CAPABILITY " + self._tables.capabilities(self.session) + b"] " + self._greeting + b"\r\n"
        return Job(iter((line,)), True)

    def feed(self, data: bytes) -> None:
        """Takes what arrived; b'' at the end of file."""
        if data:
            self._framer.feed(data)
        else:
            self._ended = True

    def wants_more(self) -> bool:
        """False while a pipelining client has sent more than can be wanted."""
        return self._framer.buffered() < 1 << 18

    def next_job(self) -> Job | None:
        """The next command, or part of one, that what was fed allows."""
        while self.session.state != State.LOGOUT:
            if self._framer.in_literal():
                try:
                    literal = self._framer.take_literal()
                except OSError as error:
                    return self._lose(error)
                if literal is None:
                    break
                self._literals.append(literal)
            line = self._framer.take_line()
            if line is None:
                break
            job = self._take(line)
            if job is not None:
                return job
        if self._ended:
            return Job(iter((Control.CLOSE,)), True)
        return None

    def wake(self) -> Job | None:
        """Tells an IDLE client of changes."""
        if self._continue is None or not self._continue.resume or is_quiet(self.session, True):
            return None
        return Job(self._tell(), True)

    def heartbeat(self) -> Job | None:
        """The IDLE heartbeat, when it is due."""
        every = self.session.shared.config[settings.HEARTBEAT]
        if self._continue is None or not self._continue.resume or not every:
            return None
        now = self.session.shared.now()
        if now - self._last_told < every:
            return None
        self._last_told = now
        return Job(iter((b"* OK Still here\r\n",)), True)

    def tls_started(self, peer: Peer) -> None:
        """STARTTLS is done (RFC 9051 §6.2.1): nothing said before counts."""
        self._framer.clear()
        self.session.peer = peer

    def idle_out(self) -> bytes:
        """The farewell of the idle time-out (RFC 9051 §5.4)."""
        return self._bye("Idle for too long, closing connection")

    def farewell(self, reason: str) -> bytes:
        """The farewell when the server ends the session."""
        return self._bye(reason)

    def close(self) -> None:
        """Releases spools, and claims what the client was told of as recent."""
        self._framer.close()
        self._reset()
        self.account = ""
        if self.session.view is not None:
            try:
                self.session.deselect()
            except NmsdError as error:
                self.session.shared.log("Warning", "Store", str(error), session=self.session.id)
        self.session.move(Event.END)

    # Framing

    def _take(self, line: bytes | Trouble) -> Job | None:
        if isinstance(line, Trouble):
            # Within a command, such as IDLE, it ends that command; else the tag is its own, where it looks like one.
            tag = self._tag
            if self._continue is None and not self._parts:
                tag, name, _ = split_tag(self._framer.dropped)
                tag = tag if name else b""
            self._continue = None
            self.account = ""
            self._reset()
            return self._say_bad(tag or b"*", line.value)
        if self._continue is not None:
            return self._go_on(line)
        text, announced = split_announcement(line)
        if not self._parts:
            self._tag, name, self._start = split_tag(text)
            if b"\0" in line or not self._tag or not name:
                tag = self._tag or b"*"
                what = "Missing command" if self._tag and b"\0" not in line else "Invalid command line"
                return self._refuse_unknown(tag, what, announced)
            if name == b"UID":  # "UID FETCH" and the like are rows of their own
                word, self._start = split_word(text, self._start)
                name += b" " + word
            self._command = self._tables.commands.get(name)
            if self._command is None:
                return self._refuse_unknown(self._tag, "Unknown command " + name.decode("ascii"), announced)
            if not self._command.states & self.session.state:
                return self._refuse_unknown(self._tag, f"{name.decode()} is not allowed now", announced)
        self._parts.append(text)
        if announced is not None:
            return self._announce(announced)
        command = self._command
        if command is None:  # refused, and its literals read past
            tag = self._tag
            refusal = "Unknown command" if self._no is None else self._no.text
            self._reset()
            return self._say_bad(tag, refusal)
        return Job(self._answer(self._tag, command), command.inline)

    def _refuse_unknown(self, tag: bytes, text: str, announced: Announced | None) -> Job | None:
        # A literal the client does not wait with must be read past before its command can be refused.
        self._reset()
        if announced is not None and not announced.synchronizing:
            if announced.size > _SKIP_MAX:
                return Job(self._part("Literal too large"), True)
            self._tag = tag
            self._parts = [b""]
            self._no = No(text)
            self._command = None
            self._framer.skip(announced)
            return None
        return self._say_bad(tag, text)

    def _announce(self, announced: Announced) -> Job | None:
        refusal = self._no or self._judge(announced)
        if refusal is None:
            self._framer.accept(announced)
            return Job(iter((b"+ OK\r\n",)), True) if announced.synchronizing else None
        if announced.synchronizing:
            tag = self._tag
            if self._command is not None:
                self.session.shared.tally.count(self._command.name, b"NO")
            self._reset()
            return Job(iter((_tagged(tag, b"NO", refusal.code, refusal.text),)), True)
        if announced.size > _SKIP_MAX:
            return Job(self._part(refusal.text, refusal.code), True)
        self._no = refusal
        self._framer.skip(announced)
        return None

    def _judge(self, announced: Announced) -> No | None:
        config = self.session.shared.config
        assert self._command is not None
        small_only = config[settings.NONSYNC_LITERALS] == "small"
        if small_only and not announced.synchronizing and announced.size > _LITERAL_MINUS:
            return No("Non-synchronizing literal too large", b"TOOBIG")
        if len(self._literals) >= config[settings.MAX_LITERALS]:
            return No("Too many literals", b"LIMIT")
        total = announced.size + sum([len(part) for part in self._parts])
        total += sum([len(literal.data) for literal in self._literals])
        if self._command.streams:
            if announced.size > config[MAX_MESSAGE_SIZE]:
                return No("Message too large", b"TOOBIG")
            if total > config[settings.MAX_APPEND]:
                return No("Too much at once", b"TOOBIG")
        elif announced.size > NAME_LIMIT:
            return No("Literal too large", b"TOOBIG")
        elif total > _COMMAND_MAX:
            return No("Command too large", b"TOOBIG")
        return None

    def _lose(self, error: OSError) -> Job:
        self.session.shared.log("Error", "Store", f"cannot spool a literal: {error}", session=self.session.id)
        return Job(self._part("No room for the literal", b"UNAVAILABLE"), True)

    def _reset(self) -> None:
        for literal in self._literals:
            literal.close()
        if self._parts or self._literals:
            self._parts = []
            self._literals = []
        self._command = None
        self._no = None
        self._tag = b""

    # Answering

    def _go_on(self, line: bytes) -> Job:
        step = self._continue
        assert step is not None
        self._continue = None
        self.account = ""
        return Job(self._finish(self._tag, self._command, step.handler(self.session, line)), step.inline)

    def _answer(self, tag: bytes, command: Command) -> Iterator[Output]:
        if self._no is not None:
            refusal = self._no
            self._reset()
            self.session.shared.tally.count(command.name, b"NO")
            yield _tagged(tag, b"NO", refusal.code, refusal.text)
            return
        yield from self._finish(tag, command, self._perform(command))

    def _perform(self, command: Command) -> Answer:
        arguments = command.parse(Reader(self._parts, self._literals, self._start), self.session)
        return (yield from command.run(self.session, arguments))

    def _finish(self, tag: bytes, command: Command | None, answer: Answer) -> Iterator[Output]:
        """Runs a handler to its end and says how it ended: the one mapping of outcomes to answers."""
        assert command is not None
        session = self.session
        session.tag = tag
        status = b"OK"
        code = b""
        text = ""
        done = Done()
        try:
            outcome = yield from answer
            if isinstance(outcome, Continue):
                self._continue = outcome
                self._tag = tag
                self._command = command
                if outcome.resume and session.account is not None:
                    self.account = session.account.name
                    self._last_told = session.shared.now()
                    yield from sync(session, True)
                return
            if outcome is not None:
                done = outcome
                code = outcome.code
                text = outcome.text
            self._bad = 0
        except No as no:  # mypyc keeps a generator's variable to one type, so each of these has its own
            status, code, text = b"NO", no.code, no.text
        except BadSyntax as bad:
            self._reset()
            yield from self._bad_answer(tag, f"{command.name.decode()}: {bad}", command.name)
            return
        except Bye as bye:
            yield self._bye(bye.text, bye.code)
            yield Control.CLOSE
            return
        except NmsdError as error:
            refusal = as_no(error)
            if not isinstance(error, DirectoryError):  # the gate tells of those
                level = "Warning" if is_servers_fault(error) else "Debug"
                session.shared.log(
                    level, "Store", str(error), session=session.id, user=self.user, command=command.name.decode()
                )
            status, code, text = b"NO", refusal.code, refusal.text
        except Exception:
            # A bug, or a system that fails: the session goes on, the administrator gets the trace.
            name = command.name.decode()
            session.shared.log("Error", "General", f"{name} failed", session=session.id, trace=traceback.format_exc())
            status, code, text = b"NO", b"SERVERBUG", "Internal error"
        finally:
            if self._continue is None:
                self._reset()
        session.shared.tally.count(command.name, status)
        if session.user is not None and not self.user:
            self.user = session.user.account
        if session.state == State.SELECTED and command.sync is not Sync.NONE:
            try:
                yield from sync(session, command.sync is Sync.FULL, done.own)
            except Bye as bye:
                yield self._bye(bye.text, bye.code)
                yield Control.CLOSE
                return
        if not text:
            text = command.name.decode("ascii") + " completed"
        yield _tagged(tag, status, code, text)
        if done.start_tls:
            yield Control.START_TLS
        if session.state == State.LOGOUT:
            yield Control.CLOSE

    def _tell(self) -> Iterator[Output]:
        try:
            yield from sync(self.session, True)
        except Bye as bye:
            yield self._bye(bye.text, bye.code)
            yield Control.CLOSE
        except NmsdError as error:
            self.session.shared.log("Warning", "Store", str(error), session=self.session.id, user=self.user)

    def _say_bad(self, tag: bytes, text: str) -> Job:
        return Job(self._bad_answer(tag, text), True)

    def _bad_answer(self, tag: bytes, text: str, name: bytes = UNKNOWN) -> Iterator[Output]:
        self.session.shared.tally.count(name, b"BAD")
        self._bad += 1
        yield _tagged(tag, b"BAD", b"", text)
        if self._bad >= self.session.shared.config[settings.MAX_BAD_COMMANDS]:
            yield self._bye("Too many invalid commands")
            yield Control.CLOSE

    def _part(self, text: str, code: bytes = b"") -> Iterator[Output]:
        yield self._bye(text, code)
        yield Control.CLOSE

    def _bye(self, text: str, code: bytes = b"") -> bytes:
        return _tagged(b"*", b"BYE", code, text)


def _tagged(tag: bytes, status: bytes, code: bytes, text: str) -> bytes:
    body = text.encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
    if code:
        return tag + b" " + status + b" [" + code + b"] " + body + b"\r\n"
    return tag + b" " + status + b" " + body + b"\r\n"
