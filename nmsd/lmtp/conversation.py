"""An LMTP session on the wire: lines and message bytes in, replies out.

Invariants: a reply of 250 for a recipient means that the store has the message on disk; a message whose end has not
come is stored nowhere; replies come in the order of the commands, and after a message in the order of its recipients.
"""

from __future__ import annotations

from typing import Final

from nmsd.config.services import LMTP
from nmsd.lmtp.commands import COMMANDS
from nmsd.lmtp.commands.message import close_after, end_chunk, finish, parse_chunk
from nmsd.lmtp.registry import Answer, Command
from nmsd.lmtp.reply import Refusal, as_refusal
from nmsd.lmtp.session import Session, Shared
from nmsd.lmtp.settings import MAX_BAD_COMMANDS, MAX_LINE, OVER_QUOTA
from nmsd.lmtp.state import Event, State
from nmsd.model.errors import DirectoryUnavailable, NmsdError
from nmsd.wire.errors import BadSyntax
from nmsd.wire.line_conversation import LineConversation
from nmsd.wire.lines import LineTooLong
from nmsd.wire.protocol import Control, Job, Output, Peer
from nmsd.wire.tally import UNKNOWN

_READ_AHEAD_BYTES: Final = 1 << 18
"""So much input may wait before the worker stops reading."""


class LmtpConversation(LineConversation):
    """One client's session; a wire.protocol.Conversation.  MTAs do not log in."""

    def __init__(self, shared: Shared, peer: Peer, session_id: str, greeting: bytes) -> None:
        super().__init__(
            "LMTP",
            shared.config,
            shared.log,
            session_id,
            greeting,
            LMTP.idle_timeout,
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
        """Whether a command, or a message, is still to come to its end."""
        return self._session.state not in (State.START, State.READY) or self._lines.buffered() > 0

    @property
    def mailboxes(self) -> int:
        """How many a message was delivered to."""
        return self._session.delivered

    def next_job(self) -> Job | None:
        """The next thing to do with what was fed, or None until more comes."""
        state = self._session.state
        if state == State.CLOSED:
            return None
        if state == State.DATA:
            job = self._maybe_data()
        elif state == State.CHUNK:
            job = self._maybe_chunk()
        else:
            job = self._maybe_command()
        if job is None and self._ended:
            return Job(iter((Control.CLOSE,)), True)
        return job

    def _maybe_data(self) -> Job | None:
        session = self._session
        piece, rest = session.dots.read(self._lines.take(self._lines.buffered()))
        session.open_content().write(piece)
        if rest is None:
            return None
        self._lines.put_back(rest)
        return Job(self._carry_out(b"DATA", finish(session)), False)

    def _maybe_chunk(self) -> Job | None:
        session = self._session
        piece = self._lines.take(session.chunk_left)
        session.chunk_left -= len(piece)
        session.open_content().write(piece)
        if session.chunk_left:
            return None
        return Job(self._carry_out(b"BDAT", end_chunk(session)), False)

    def _maybe_command(self) -> Job | None:
        session = self._session
        try:
            line = self._lines.maybe_line()
            if line is None:
                return None
            command, argument = _parse(line)
            if command.name == b"BDAT":
                return self._bdat(command, argument)
            if session.state not in command.states:
                raise Refusal(503, "5.5.1", _what_first(session.state), counts=True)
            if command.bare and argument.strip():
                raise Refusal(501, "5.5.4", "No argument allowed", counts=True)
        except (LineTooLong, Refusal) as error:
            refusal = error if isinstance(error, Refusal) else _too_long(error)
            return Job(iter(self._refused(refusal, UNKNOWN)), True)
        return Job(self._carry_out(command.name, command.run(session, argument)), command.inline)

    def _bdat(self, command: Command, argument: bytes) -> Job:
        """BDAT: its bytes follow at once, whatever the reply, so its size must be known first of all."""
        try:
            size, _ = parse_chunk(argument)
        except BadSyntax as error:
            self._session.move(Event.END)
            return Job(close_after(Refusal(501, "5.5.4", str(error))), True)
        return Job(self._carry_out(command.name, command.run(self._session, argument), skip=size), True)

    def _carry_out(self, name: bytes, answer: Answer, skip: int = 0) -> Answer:
        """The answer, with every failure turned into the right reply; then `skip` bytes of input are thrown away."""
        try:
            yield from answer
            if self._session.state not in (State.DATA, State.CHUNK):  # else what follows of the message will end it
                self._session.shared.tally.count(name, b"OK")
            return
        except Refusal as refused:  # mypyc keeps a generator's variable to one type, so each of these has its own
            refusal = refused
        except BadSyntax as bad:
            refusal = Refusal(501, "5.5.4", str(bad), counts=True)
        except NmsdError as error:
            shared = self._session.shared
            # The directory tells once that it is down.
            level = "Information" if isinstance(error, DirectoryUnavailable) else "Warning"
            shared.log(level, "Store", "LMTP command failed", session=self._session.id, error=str(error))
            refusal = as_refusal(error, shared.config[OVER_QUOTA])
        except Exception as fault:
            self._session.shared.log(
                "Error", "Protocol", "LMTP command failed", session=self._session.id, error=repr(fault)
            )
            refusal = Refusal(451, "4.3.0", "Local error, try again later")
        if skip:
            self._lines.skip(skip)
        yield from self._refused(refusal, name)

    def _refused(self, refusal: Refusal, name: bytes) -> list[Output]:
        session = self._session
        session.shared.tally.count(name, b"4xx" if refusal.reply.code < 500 else b"5xx")
        answer: list[Output] = [refusal.reply.line()]
        if self._is_last_straw(session.peer.address, str(refusal), refusal.limit, refusal.counts):
            session.move(Event.END)
            answer += [b"421 4.7.0 Too many bad commands\r\n", Control.CLOSE]
        return answer

    def tls_started(self, peer: Peer) -> None:
        """Goes on under TLS, as if nothing had been said before (RFC 3207 §4.2)."""
        session = self._session
        self._lines.clear()
        session.peer = peer
        session.reset()
        session.move(Event.TLS)

    def idle_out(self) -> bytes:
        """The reply to silence."""
        return b"421 4.4.2 Nothing heard for too long\r\n"

    def farewell(self, reason: str) -> bytes:
        """Why the server closes."""
        return Refusal(421, "4.3.2", reason).reply.line()

    def close(self) -> None:
        """Drops the message that was coming in, if any."""
        self._session.move(Event.END)
        self._session.reset()


def _too_long(error: LineTooLong) -> Refusal:
    return Refusal(500, "5.5.2", str(error), counts=True, limit=MAX_LINE.name)


def _what_first(state: State) -> str:
    if state == State.START:
        return "Say LHLO first"
    return "Send MAIL first" if state == State.READY else "Not in the middle of a transaction"


def _parse(line: bytes) -> tuple[Command, bytes]:
    """The command and what follows it.  Raises Refusal."""
    if b"\0" in line or b"\r" in line:
        raise Refusal(500, "5.5.2", "Control characters in command", counts=True)
    name, _, argument = line.partition(b" ")
    command = COMMANDS.get(name.upper())
    if command is None:
        raise Refusal(500, "5.5.1", "Unknown command", counts=True)
    return command, argument
