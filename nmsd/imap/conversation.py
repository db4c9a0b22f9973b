"""An IMAP connection, sans-IO: bytes in, commands framed and checked, jobs out (wire.protocol.Conversation).

A command is framed first; when its name is known its state is checked and its literals are let in or not; it is parsed
once, when all of it has come.  One place turns the ways a handler can end into the tagged answer.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator

from nmsd.config.services import IMAP, MAX_MESSAGE_SIZE
from nmsd.imap import settings
from nmsd.imap.anonymous import REFUSAL, check_allowed, is_allowed
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

_TEXT_MAX = 400
"""So much of what a client sent comes back in an answer's text, and goes to the log."""
_LIMIT_CODES = (b"LIMIT", b"TOOBIG", b"OVERQUOTA")
"""Response codes of refusals that an administrator can do something about."""


class _Refusal:
    """Why a command is refused before it is parsed, and with which status; the literals that still come are read
    past."""

    __slots__ = ("code", "status", "text")

    def __init__(self, status: bytes, text: str, code: bytes = b"") -> None:
        self.status = status
        self.text = text
        self.code = code


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
        "_parts",
        "_refusal",
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
        self._refusal: _Refusal | None = None
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

    @property
    def unfinished(self) -> bool:
        """Whether the rest of a command is still to come; IDLE has all it needs."""
        if self._continue is not None:
            return not self._continue.resume
        return bool(self._parts) or self._framer.buffered() > 0

    @property
    def mailboxes(self) -> int:
        """How many mailboxes it has opened."""
        return self.session.opened

    def greet(self) -> Job:
        """The greeting, with the capabilities of the moment."""
        if self.session.entrance().is_known():
            return Job(self._greet_user(), False)
        return Job(iter((self._greet(b"OK"),)), True)

    def _greet(self, status: bytes) -> bytes:
        capabilities = self._tables.capabilities(self.session)
        return b"* " + status + b" [CAPABILITY " + capabilities + b"] " + self._greeting + b"\r\n"

    def _greet_user(self) -> Iterator[Output]:
        """Logs the client in by its certificate (RFC 9051 §7.1.4); it may still give a password if that fails."""
        session = self.session
        entrance = session.entrance()
        status = b"OK"
        try:
            entrance.greet()
            assert entrance.user is not None
            session.log_in(entrance.user)
            self.user = entrance.user.account
            status = b"PREAUTH"
        except NmsdError as error:
            if not isinstance(error, DirectoryError):  # the gate tells of those
                session.shared.log("Warning", "Store", str(error), session=session.id)
        yield self._greet(status)

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
        return Job(self._tell(True), True)

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
            self.session.deselect()
        self.session.move(Event.END)

    # Framing

    def _take(self, line: bytes | Trouble) -> Job | None:
        if isinstance(line, Trouble):
            return self._take_trouble(line)
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
                name += b" " + word if word else b""
            self._command = self._tables.commands.get(name)
            if self._command is None:
                return self._refuse_unknown(self._tag, "Unknown command " + name.decode("ascii"), announced)
            if self.session.state not in self._command.states:
                return self._refuse_unknown(self._tag, f"{name.decode()} is not allowed now", announced)
        self._parts.append(text)
        if announced is not None:
            return self._announce(announced)
        refusal = self._refusal
        command = self._command
        if refusal is not None:  # and its literals have been read past
            return self._refuse(refusal)
        assert command is not None
        return Job(self._finish(self._tag, command, self._perform(command)), command.inline)

    def _take_trouble(self, trouble: Trouble) -> Job | None:
        # Within a command, such as IDLE, it ends that command; else the tag is its own, where it looks like one.
        tag = self._tag
        if self._continue is None and not self._parts:
            tag, name, _ = split_tag(self._framer.dropped)
            tag = tag if name else b""
        _, announced = split_announcement(self._framer.dropped_end)
        if self._continue is not None:
            announced = None  # its lines are no commands, and have no literals
        self._note_limit(trouble.value, settings.MAX_LINE.name)
        self._continue = None
        self.account = ""
        return self._refuse_unknown(tag or b"*", trouble.value, announced)

    def _refuse_unknown(self, tag: bytes, text: str, announced: Announced | None) -> Job | None:
        # A literal the client does not wait with must be read past before its command can be refused.
        self._reset()
        if announced is None or announced.synchronizing:
            return self._say_bad(tag, text)
        self._tag = tag
        self._parts = [b""]
        return self._pass_over(announced, _Refusal(b"BAD", text))

    def _announce(self, announced: Announced) -> Job | None:
        if self._refusal is not None:
            return self._refuse(self._refusal) if announced.synchronizing else self._pass_over(announced, self._refusal)
        refusal = self._judge(announced)
        if refusal is None:
            self._framer.accept(announced)
            return Job(iter((b"+ OK\r\n",)), True) if announced.synchronizing else None
        if announced.synchronizing:
            return self._refuse(refusal)
        return self._pass_over(announced, refusal)

    def _pass_over(self, announced: Announced, refusal: _Refusal) -> Job | None:
        """Reads past a literal that comes all the same; where it is too long for that, says farewell (RFC 7888 §4)."""
        if announced.size > _SKIP_MAX:
            self._note_limit("Literal too large to read past, connection closed", size=announced.size)
            return Job(self._part(refusal.text, b"TOOBIG"), True)
        self._refusal = refusal
        self._framer.skip(announced)
        return None

    def _refuse(self, refusal: _Refusal) -> Job:
        """The tagged end of a command that is not carried out."""
        tag = self._tag
        name = UNKNOWN if self._command is None else self._command.name
        self._reset()
        if refusal.status == b"BAD":
            return Job(self._bad_answer(tag, refusal.text, name, refusal.code), True)
        self.session.shared.tally.count(name, refusal.status)
        return Job(iter((_tagged(tag, refusal.status, refusal.code, refusal.text),)), True)

    def _judge(self, announced: Announced) -> _Refusal | None:
        config = self.session.shared.config
        command = self._command
        assert command is not None
        if self.session.is_anonymous and not is_allowed(command.name):
            return _Refusal(b"NO", REFUSAL, b"NOPERM")
        small_only = config[settings.NONSYNC_LITERALS] == "small"
        if small_only and not announced.synchronizing and announced.size > _LITERAL_MINUS:
            # RFC 7888 §5
            self._note_limit("Literal too large not to wait", settings.NONSYNC_LITERALS.name, announced.size)
            return _Refusal(b"BAD", "Non-synchronizing literal too large", b"TOOBIG")
        if len(self._literals) >= config[settings.MAX_LITERALS]:
            self._note_limit("Too many literals", settings.MAX_LITERALS.name)
            return _Refusal(b"NO", "Too many literals", b"LIMIT")
        total = announced.size + sum([len(part) for part in self._parts])
        total += sum([len(literal.data) for literal in self._literals])
        if command.streams:
            if announced.size > config[MAX_MESSAGE_SIZE]:
                self._note_limit("Message too large", MAX_MESSAGE_SIZE.name, announced.size)
                return _Refusal(b"NO", "Message too large", b"TOOBIG")
            if total > config[settings.MAX_APPEND]:
                self._note_limit("Too much at once", settings.MAX_APPEND.name, total)
                return _Refusal(b"NO", "Too much at once", b"TOOBIG")
        elif announced.size > NAME_LIMIT or total > _COMMAND_MAX:
            what = "Literal too large" if announced.size > NAME_LIMIT else "Command too large"
            self._note_limit(what, size=max(announced.size, total))
            return _Refusal(b"NO", what, b"TOOBIG")
        return None

    def _note_limit(self, what: str, setting: str = "", size: int = 0) -> None:
        """Tells the administrator of a limit that a client has met: its owner may ask, and it may want raising."""
        command = "" if self._command is None else self._command.name.decode("ascii")
        fields: dict[str, object] = {"session": self.session.id, "address": self.session.peer.address}
        if self.user:
            fields["user"] = self.user
        if command:
            fields["command"] = command
        if size:
            fields["size"] = size
        if setting:
            fields["limit"] = setting
        self.session.shared.log("Notice", "Protocol", what[0].lower() + what[1:], **fields)

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
        self._refusal = None
        self._tag = b""

    # Answering

    def _go_on(self, line: bytes) -> Job:
        step = self._continue
        assert step is not None
        self._continue = None
        self.account = ""
        return Job(self._finish(self._tag, self._command, step.handler(self.session, line)), step.inline)

    def _perform(self, command: Command) -> Answer:
        arguments = command.parse(Reader(self._parts, self._literals, self._start), self.session)
        if self.session.is_anonymous:
            check_allowed(command.name)
        return (yield from command.run(self.session, arguments))

    def _finish(self, tag: bytes, command: Command | None, answer: Answer) -> Iterator[Output]:
        """Runs a handler to its end and says how it ended: the one mapping of outcomes to answers."""
        assert command is not None
        session = self.session
        session.tag = tag
        status = b"OK"
        code = b""
        text = ""
        complaint = ""
        farewell = b""
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
                    yield from self._tell(True)
                return
            if outcome is not None:
                done = outcome
                code = outcome.code
                text = outcome.text
            self._bad = 0
        except No as no:  # mypyc keeps a generator's variable to one type, so each of these has its own
            status, code, text = b"NO", no.code, no.text
            if code in _LIMIT_CODES:
                self._note_limit(text)
        except BadSyntax as bad:
            complaint = f"{command.name.decode()}: {bad}"
        except Bye as bye:
            farewell = self._bye(bye.text, bye.code)
        except NmsdError as error:
            refusal = as_no(error)
            if not isinstance(error, DirectoryError):  # the gate tells of those
                level = "Warning" if is_servers_fault(error) else "Notice" if refusal.code in _LIMIT_CODES else "Debug"
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
        if farewell:
            yield farewell
            yield Control.CLOSE
            return
        if complaint:
            yield from self._bad_answer(tag, complaint, command.name)
            return
        session.shared.tally.count(command.name, status)
        if session.user is not None:
            self.user = session.user.account  # PROXYAUTH makes it another
        if session.state == State.SELECTED and command.sync is not Sync.NONE:
            is_there = yield from self._tell(command.sync is Sync.FULL, done.own)
            if not is_there:
                return
        if not text:
            text = command.name.decode("ascii") + " completed"
        yield _tagged(tag, status, code, text)
        if done.start_tls:
            yield Control.START_TLS
        if session.state == State.LOGOUT:
            yield Control.CLOSE

    def _tell(self, may_expunge: bool, own: frozenset[int] = frozenset()) -> Generator[Output, None, bool]:
        """What is new in the selected mailbox; False where that is its end, and the session's.  What cannot be read now
        is told later: the command has come to its end all the same."""
        farewell = b""
        try:
            yield from sync(self.session, may_expunge, own)
        except Bye as bye:
            farewell = self._bye(bye.text, bye.code)
        except NmsdError as error:
            self.session.shared.log("Warning", "Store", str(error), session=self.session.id, user=self.user)
        if farewell:
            yield farewell
            yield Control.CLOSE
        return not farewell

    def _say_bad(self, tag: bytes, text: str) -> Job:
        return Job(self._bad_answer(tag, text), True)

    def _bad_answer(self, tag: bytes, text: str, name: bytes = UNKNOWN, code: bytes = b"") -> Iterator[Output]:
        session = self.session
        session.shared.tally.count(name, b"BAD")
        session.shared.log("Information", "Protocol", "bad command", session=session.id, reason=text[:_TEXT_MAX])
        self._bad += 1
        yield _tagged(tag, b"BAD", code, text)
        if self._bad >= session.shared.config[settings.MAX_BAD_COMMANDS]:
            self._note_limit("Too many bad commands", settings.MAX_BAD_COMMANDS.name)
            yield self._bye("Too many invalid commands")
            yield Control.CLOSE

    def _part(self, text: str, code: bytes = b"") -> Iterator[Output]:
        yield self._bye(text, code)
        yield Control.CLOSE

    def _bye(self, text: str, code: bytes = b"") -> bytes:
        return _tagged(b"*", b"BYE", code, text)


def _tagged(tag: bytes, status: bytes, code: bytes, text: str) -> bytes:
    body = text[:_TEXT_MAX].encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
    if code:
        return tag + b" " + status + b" [" + code + b"] " + body + b"\r\n"
    return tag + b" " + status + b" " + body + b"\r\n"
