"""The states of an IMAP session and every way from one to another (RFC 9051 §3).  Nothing else changes a state."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import Final


class State(IntFlag):
    """Where a session stands; as a set, the states a command is legal in."""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4
    LOGOUT = 8


NOT_AUTHENTICATED: Final = State.NOT_AUTHENTICATED
LOGGED_IN: Final = State.AUTHENTICATED | State.SELECTED
SELECTED: Final = State.SELECTED
ANY: Final = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED


class Event(Enum):
    """What moves a session."""

    LOGIN = "login"  # LOGIN or AUTHENTICATE succeeded, or a PREAUTH greeting
    SELECT = "select"  # SELECT or EXAMINE succeeded
    DESELECT = "deselect"  # CLOSE, UNSELECT, or a SELECT that failed
    END = "end"  # LOGOUT, BYE, connection lost


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.NOT_AUTHENTICATED: {Event.LOGIN: State.AUTHENTICATED, Event.END: State.LOGOUT},
    State.AUTHENTICATED: {
        Event.SELECT: State.SELECTED,
        Event.DESELECT: State.AUTHENTICATED,
        Event.END: State.LOGOUT,
    },
    State.SELECTED: {
        Event.SELECT: State.SELECTED,
        Event.DESELECT: State.AUTHENTICATED,
        Event.END: State.LOGOUT,
    },
    State.LOGOUT: {Event.END: State.LOGOUT},
}
