"""The states of a POP3 session and every way from one to another (RFC 1939 §3).  Nothing else changes a state."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import Final


class State(IntFlag):
    """Where a session stands; as a set, the states a command is legal in."""

    AUTHORIZATION = 1
    SASL = 2  # within AUTH: the next line is a response, no command (RFC 5034 §4)
    TRANSACTION = 4
    UPDATE = 8
    CLOSED = 16


AUTHORIZATION: Final = State.AUTHORIZATION
TRANSACTION: Final = State.TRANSACTION
ANY: Final = State.AUTHORIZATION | State.TRANSACTION


class Event(Enum):
    """What moves a session."""

    CHALLENGE = "challenge"  # AUTH that wants (another) response
    LOGIN = "login"
    FAILURE = "failure"  # a login that failed, or a SASL exchange that was cancelled
    QUIT = "quit"
    END = "end"  # the update is done, too many bad commands, connection lost


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.AUTHORIZATION: {
        Event.CHALLENGE: State.SASL,
        Event.LOGIN: State.TRANSACTION,
        Event.FAILURE: State.AUTHORIZATION,
        Event.QUIT: State.CLOSED,
        Event.END: State.CLOSED,
    },
    State.SASL: {
        Event.CHALLENGE: State.SASL,
        Event.LOGIN: State.TRANSACTION,
        Event.FAILURE: State.AUTHORIZATION,
        Event.END: State.CLOSED,
    },
    State.TRANSACTION: {Event.QUIT: State.UPDATE, Event.END: State.CLOSED},
    State.UPDATE: {Event.END: State.CLOSED},
    State.CLOSED: {Event.END: State.CLOSED},
}
