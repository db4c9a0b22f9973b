"""The state machine, walked whole: every command in every state."""

import pytest

from nmsd.imap.state import TRANSITIONS, Event, State
from nmsd.imap.tables import TABLES


def test_every_state_has_an_end() -> None:
    for state, moves in TRANSITIONS.items():
        assert moves[Event.END] is State.LOGOUT, state


def test_login_is_the_only_way_in_and_select_the_only_way_to_a_mailbox() -> None:
    ways = {(state, event, to) for state, moves in TRANSITIONS.items() for event, to in moves.items()}
    assert {way for way in ways if way[2] is State.SELECTED} == {
        (State.AUTHENTICATED, Event.SELECT, State.SELECTED),
        (State.SELECTED, Event.SELECT, State.SELECTED),
    }
    assert [state for state in TRANSITIONS if Event.LOGIN in TRANSITIONS[state]] == [State.NOT_AUTHENTICATED]


@pytest.mark.parametrize("name", sorted(TABLES.commands))
def test_no_command_is_legal_after_logout(name: bytes) -> None:
    command = TABLES.commands[name]
    assert command.name == name
    assert not command.states & State.LOGOUT
    assert command.states
