"""A POP3 session on the wire: lines in, answers out.

Invariants: one answer for each command, in order; nothing is deleted except by QUIT in the TRANSACTION state; a session
that ends in any other way leaves the maildrop as it was.
"""

from __future__ import annotations

from typing import Final

from nmsd.config.services import POP
from nmsd.model.errors import DirectoryError, NmsdError
from nmsd.pop3.commands import COMMANDS
from nmsd.pop3.commands.authorization import answer_challenge, logged_in
from nmsd.pop3.errors import Err, as_err, is_servers_fault
from nmsd.pop3.registry import Answer, Command
from nmsd.pop3.session import Session, Shared
from nmsd.pop3.settings import MAX_BAD_COMMANDS, MAX_LINE
from nmsd.pop3.state import Event, State
from nmsd.wire.errors import BadSyntax
from nmsd.wire.line_conversation import LineConversation
from nmsd.wire.lines import LineTooLong
from nmsd.wire.protocol import Control, Job, Peer
from nmsd.wire.tally import UNKNOWN

_READ_AHEAD_BYTES: Final = 1 << 17
"""So much pipelined input may wait before the worker stops reading."""


class PopConversation(LineConversation):
    """One client's session; a wire.protocol.Conversation."""

    def __init__(self, shared: Shared, peer: Peer, session_id: str, greeting: bytes) -> None:
        super().__init__(
            "POP3",
            shared.config,
            shared.log,
            session_id,
            greeting,
            POP.idle_timeout,
            MAX_LINE,
            MAX_BAD_COMMANDS,
            _READ_AHEAD_BYTES,
        )
        self._session = Session(shared, peer, session_id)

    @property
    def state(self) -> str:
        """The session's state, for the sessions table."""
        return self._session.state.name.lower() if self._session.state.name else ""

    @property
    def unfinished(self) -> bool:
        """Whether a line, or the answer to a challenge, is still to come."""
        return self._session.state == State.SASL or self._lines.buffered() > 0

    @property
    def mailboxes(self) -> int:
        """One, once the maildrop is opened."""
        return 1 if self.user else 0

    def greet(self) -> Job:
        """The greeting."""
        if self._session.entrance().is_known():
            return Job(self._greet_user(), False)
        return super().greet()

    def _greet_user(self) -> Answer:
        """Logs the client in by its certificate; it may still give a password if that fails."""
        session = self._session
        entrance = session.entrance()
        greeting = self._greeting
        try:
            entrance.greet()
            session.enter(entrance)
            self._note_user()
            greeting = logged_in(session)
        except (Err, NmsdError) as error:
            if not isinstance(error, DirectoryError):  # the gate tells of those
                session.shared.log("Information", "Store", f"not logged in by certificate: {error}", session=session.id)
        yield greeting

    def next_job(self) -> Job | None:
        """The next command's work, or None until its line is complete."""
        session = self._session
        if session.state == State.CLOSED:
            return None
        try:
            line = self._lines.maybe_line()
            if line is None:
                return Job(iter((Control.CLOSE,)), True) if self._ended else None
            if session.state == State.SASL:
                return Job(self._carry_out(b"AUTH", answer_challenge(session, line)), False)
            command, arguments = _parse(line, session.state)
        except (LineTooLong, Err) as error:
            if session.state == State.SASL:
                session.move(Event.FAILURE)
            failure = error if isinstance(error, Err) else Err(str(error), counts=True, limit=MAX_LINE.name)
            session.shared.tally.count(UNKNOWN, b"ERR")
            return Job(iter(self._failed(failure)), True)
        return Job(self._carry_out(command.name, command.run(session, arguments)), command.inline)

    def _carry_out(self, name: bytes, answer: Answer) -> Answer:
        """The answer, with every failure turned into the right words."""
        started = False
        try:
            for output in answer:
                started = True
                yield output
            self._note_user()
            if self._session.state != State.SASL:  # else the client's answer to the challenge will end it
                self._session.shared.tally.count(name, b"OK")
            return
        except Err as refusal:  # mypyc keeps a generator's variable to one type, so each of these has its own
            failure = refusal
        except BadSyntax as bad:
            failure = Err(str(bad), counts=True)
        except NmsdError as error:
            failure = as_err(error)
            if is_servers_fault(error):
                word = name.decode("ascii")
                log = self._session.shared.log
                log("Warning", "Store", str(error), session=self._session.id, user=self.user, command=word)
        except Exception as fault:
            self._session.shared.log(
                "Error", "Protocol", "POP3 command failed", session=self._session.id, error=repr(fault)
            )
            failure = Err("Internal error, see the server's log", b"SYS/TEMP")
        self._session.shared.tally.count(name, b"ERR")
        if started:  # half an answer is out, and nothing can be said in the middle of it
            yield Control.CLOSE
        else:
            yield from self._failed(failure)

    def _failed(self, failure: Err) -> list[bytes | Control]:
        code = b"[" + failure.code + b"] " if failure.code else b""
        text = failure.text.encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" ")[:400]
        answer: list[bytes | Control] = [b"-ERR " + code + text + b"\r\n"]
        session = self._session
        if self._is_last_straw(session.peer.address, failure.text, failure.limit, failure.counts):
            session.move(Event.END)
            answer.append(b"-ERR Too many bad commands\r\n")
        if session.state == State.CLOSED:
            answer.append(Control.CLOSE)
        return answer

    def _note_user(self) -> None:
        if self._session.user is not None:
            self.user = self._session.user.account

    def tls_started(self, peer: Peer) -> None:
        """Goes on under TLS, as if nothing had been said before."""
        self._lines.clear()
        self._session.peer = peer
        self._session.login_name = ""

    def idle_out(self) -> bytes:
        """Nothing: RFC 1939 §3 has the server close without a response."""
        return b""

    def farewell(self, reason: str) -> bytes:
        """Why the server closes."""
        return b"-ERR [SYS/TEMP] " + reason.encode("ascii", "replace") + b"\r\n"

    def close(self) -> None:
        """Lets the maildrop go."""
        self._session.move(Event.END)
        self._session.release()


def _parse(line: bytes, state: State) -> tuple[Command, list[bytes]]:
    """The command and its arguments, legal in the state.  Raises Err."""
    if b"\0" in line or b"\r" in line:
        raise Err("Control characters in command", counts=True)
    name, _, rest = line.partition(b" ")
    command = COMMANDS.get(name.upper())
    if command is None:
        raise Err("Unknown command", counts=True)
    if state not in command.states:
        raise Err("Log in first" if state == State.AUTHORIZATION else "Already logged in", counts=True)
    if command.whole:
        arguments = [rest] if rest else []
    else:
        arguments = rest.split()
    if not command.least <= len(arguments) <= command.most:
        raise Err("Wrong number of arguments", counts=True)
    return command, arguments
