"""The states of an LMTP session and every way from one to another (RFC 5321 §4.1.4, RFC 2033 §4, RFC 3030 §2).  Nothing
else changes a state."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import Final


class State(IntFlag):
    """Where a session stands; as a set, the states a command is legal in."""

    START = 1  # before LHLO
    READY = 2
    ENVELOPE = 4  # MAIL was accepted
    DATA = 8  # the message is coming, up to CRLF.CRLF
    CHUNK = 16  # the bytes of a BDAT are coming
    CHUNKS = 32  # between two BDATs
    CLOSED = 64


ANY: Final = State.START | State.READY | State.ENVELOPE | State.CHUNKS
GREETED: Final = State.READY | State.ENVELOPE | State.CHUNKS


class Event(Enum):
    """What moves a session."""

    HELLO = "hello"
    MAIL = "mail"
    DATA = "data"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"
    RESET = "reset"  # RSET, or the transaction is over, well or badly
    TLS = "tls"
    END = "end"


_ALWAYS: Final = {
    Event.HELLO: State.READY,
    Event.TLS: State.START,
    Event.END: State.CLOSED,
}
TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.START: {**_ALWAYS, Event.RESET: State.START},
    State.READY: {**_ALWAYS, Event.RESET: State.READY, Event.MAIL: State.ENVELOPE},
    State.ENVELOPE: {**_ALWAYS, Event.RESET: State.READY, Event.DATA: State.DATA, Event.CHUNK: State.CHUNK},
    State.DATA: {Event.RESET: State.READY, Event.END: State.CLOSED},
    State.CHUNK: {Event.CHUNK_END: State.CHUNKS, Event.RESET: State.READY, Event.END: State.CLOSED},
    State.CHUNKS: {**_ALWAYS, Event.RESET: State.READY, Event.CHUNK: State.CHUNK},
    State.CLOSED: {Event.END: State.CLOSED},
}
