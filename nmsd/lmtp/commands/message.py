"""The message: DATA (RFC 5321 §4.1.1.4), BDAT (RFC 3030 §2), and delivery, with one reply for each recipient (RFC 2033
§4.2)."""

from __future__ import annotations

from typing import Final

from nmsd.lmtp.content import Content
from nmsd.lmtp.delivery import Recipient
from nmsd.lmtp.registry import Answer, Command
from nmsd.lmtp.reply import Refusal, Reply, as_refusal
from nmsd.lmtp.session import Session
from nmsd.lmtp.settings import OVER_QUOTA
from nmsd.lmtp.state import ANY, Event, State
from nmsd.model.errors import NmsdError
from nmsd.model.message import Instant, NewMessage
from nmsd.wire.errors import BadSyntax
from nmsd.wire.protocol import Control
from nmsd.wire.tally import DELIVERY

_MAX_CHUNK_DIGITS: Final = 12


def _data(session: Session, argument: bytes) -> Answer:
    if not session.recipients:
        raise Refusal(503, "5.5.1", "No valid recipients")
    session.open_content()
    session.move(Event.DATA)
    yield b"354 End data with <CR><LF>.<CR><LF>\r\n"


def parse_chunk(argument: bytes) -> tuple[int, bool]:
    """BDAT's argument: how many bytes come, and whether they are the last.  Raises BadSyntax."""
    words = argument.split()
    if not words or not words[0].isdigit() or len(words[0]) > _MAX_CHUNK_DIGITS:
        raise BadSyntax("Syntax: BDAT size [LAST]")
    if len(words) > 2 or (len(words) == 2 and words[1].upper() != b"LAST"):
        raise BadSyntax("Syntax: BDAT size [LAST]")
    return int(words[0]), len(words) == 2


def _bdat(session: Session, argument: bytes) -> Answer:
    # Its size has been read by the conversation, which throws the bytes away where this refuses them.
    if not session.state & (State.ENVELOPE | State.CHUNKS):
        raise Refusal(503, "5.5.1", "Send MAIL first", counts=True)
    if not session.recipients:
        raise Refusal(503, "5.5.1", "No valid recipients")
    size, last = parse_chunk(argument)
    session.open_content()
    session.chunk_left = size
    session.chunk_last = last
    session.move(Event.CHUNK)
    yield from ()


def end_chunk(session: Session) -> Answer:
    """The bytes of a BDAT have all come: one reply, or after the last the delivery's."""
    if session.chunk_last:
        yield from finish(session)
        return
    content = session.open_content()
    if content.refusal is not None:
        refusal = content.refusal
        session.reset()
        session.move(Event.RESET)
        raise refusal
    session.move(Event.CHUNK_END)
    yield b"250 2.0.0 %d bytes received\r\n" % content.received


def finish(session: Session) -> Answer:
    """The message is whole: delivers it, and replies for each recipient, in their order."""
    content = session.open_content()
    recipients = session.recipients
    try:
        message: NewMessage | None = None
        reply: Reply | None = None
        try:
            message = NewMessage(content.finish(), Instant(int(session.shared.now())))
        except Refusal as refusal:
            reply = refusal.reply
        for recipient in recipients:
            if message is not None:
                yield _deliver(session, content, recipient, message)
            elif reply is not None:
                yield _report(session, content, recipient, reply)
    finally:
        session.reset()
        if session.state != State.CLOSED:
            session.move(Event.RESET)


def _deliver(session: Session, content: Content, recipient: Recipient, message: NewMessage) -> bytes:
    shared = session.shared
    mailbox = ""
    begun = shared.now()
    try:
        where, appended = shared.delivery.deliver(recipient, message)
        mailbox = f"{where.name}/{appended.uids[0]}"
        session.delivered += 1
        reply = Reply(250, "2.1.5", f"<{recipient.address.path()}> delivered")
    except NmsdError as error:
        reply = as_refusal(error, shared.config[OVER_QUOTA]).reply
        shared.log("Warning", "Store", "delivery failed", session=session.id, user=recipient.user.account, error=error)
    except Exception as fault:
        reply = Reply(451, "4.3.0", "Local error, try again later")
        shared.log(
            "Error", "Store", "delivery failed", session=session.id, user=recipient.user.account, error=repr(fault)
        )
    shared.tally.delivered.observe(shared.now() - begun)
    return _report(session, content, recipient, reply, mailbox)


def _report(session: Session, content: Content, recipient: Recipient, reply: Reply, mailbox: str = "") -> bytes:
    outcome = b"OK" if reply.code == 250 else b"4xx" if reply.code < 500 else b"5xx"
    session.shared.tally.count(DELIVERY, outcome)
    session.shared.log(
        "Information" if reply.code == 250 else "Notice",
        "Store",
        "delivery",
        id=session.transaction_id,
        sender=session.sender.path(),
        recipient=recipient.address.path(),
        user=recipient.user.account,
        mailbox=mailbox,
        size=content.received,
        reply=str(reply),
    )
    return reply.line()


def close_after(refusal: Refusal) -> Answer:
    """A refusal after which the input makes no sense any more: says so, and closes."""
    yield refusal.reply.line()
    yield Control.CLOSE


COMMANDS: Final = (
    Command(b"DATA", State.ENVELOPE, _data, bare=True),
    Command(b"BDAT", ANY, _bdat),
)
