"""What transcripts cannot show: pieces, memory, faults in the middle, every command in every state."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.config.setting import Config
from nmsd.model.uidset import UidSet
from nmsd.pop3.commands import COMMANDS
from nmsd.pop3.state import TRANSITIONS, Event, State
from nmsd.wire.protocol import Control, Peer
from tests.transcripts.lines import Client, Play, Scenario


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Alice, with an empty mailbox."""
    found = Play(Scenario("", Path("x"), 1, users=["alice secret"]), "pop3", tmp_path, 0)
    yield found
    found.close()


def logged_in(play: Play) -> Client:
    client = play.client(1)
    client.send(b"USER alice\r\nPASS secret\r\n")
    client.out = b""
    return client


def big(play: Play, size: int) -> bytes:
    message = b"Subject: big\r\n\r\n" + b".2345678901234567890\r\n" * (size // 22)
    play.scenario.messages["big"] = message
    play.fill(play.account("alice"), "INBOX", ["@big"])
    return message


def test_a_large_message_goes_out_in_pieces_of_bounded_size(play: Play) -> None:
    message = big(play, 1 << 20)
    client = logged_in(play)
    client.conversation.feed(b"RETR 1\r\n")
    job = client.conversation.next_job()
    assert job is not None
    pieces = [piece for piece in job.output if isinstance(piece, bytes)]
    assert max(map(len, pieces)) <= 2 * (1 << 16)
    lines = message.decode().split("\r\n")
    expected = "\r\n".join("." + line if line.startswith(".") else line for line in lines)
    assert b"".join(pieces) == f"+OK {len(message)} octets\r\n{expected}.\r\n".encode()


def test_a_message_that_vanishes_while_it_is_sent_is_never_shown_as_whole(play: Play) -> None:
    big(play, 1 << 20)
    client = logged_in(play)
    client.conversation.feed(b"RETR 1\r\n")
    job = client.conversation.next_job()
    assert job is not None
    output = iter(job.output)
    sent = next(output)
    account = play.account("alice")
    mailbox = account.mailbox("INBOX")
    account.expunge(mailbox.id, UidSet.of(account.uids(mailbox.id)), only_deleted=False)
    rest = list(output)
    assert rest[-1] is Control.CLOSE
    assert isinstance(sent, bytes)
    assert not any(isinstance(piece, bytes) and piece.endswith(b"\r\n.\r\n") for piece in [sent, *rest])


def test_what_cannot_be_removed_at_quit_is_told_and_the_lock_is_let_go(play: Play) -> None:
    big(play, 100)
    client = logged_in(play)
    client.send(b"DELE 1\r\n")
    client.out = b""
    account = play.account("alice")
    play.store.remove_account("alice@example.com")
    client.send(b"QUIT\r\n")
    assert client.out == b"-ERR [SYS/TEMP] Some deleted messages not removed\r\n"
    assert not client.open
    account.ensure()
    with account.lock_maildrop():
        pass


def test_reading_stops_while_much_is_pipelined(play: Play) -> None:
    client = logged_in(play)
    assert client.conversation.wants_more()
    client.conversation.feed(b"NOOP\r\n" * 30_000)
    assert not client.conversation.wants_more()
    client.perform(client.conversation.next_job())
    assert client.conversation.wants_more()


def test_at_the_ends_of_its_patience_it_says_what_the_standard_wants(play: Play) -> None:
    conversation = play.client(1).conversation
    assert conversation.idle_limit == 600
    assert conversation.idle_out() == b""
    assert conversation.farewell("Server is going down") == b"-ERR [SYS/TEMP] Server is going down\r\n"
    assert play.service.busy().startswith(b"-ERR [SYS/TEMP] ")
    assert conversation.account == ""
    assert conversation.wake() is None
    assert conversation.heartbeat() is None


def test_the_sessions_table_sees_user_and_state(play: Play) -> None:
    client = play.client(1)
    assert (client.conversation.user, client.conversation.state) == ("", "authorization")
    logged_in(play)
    assert (client.conversation.user, client.conversation.state) == ("alice@example.com", "transaction")


def test_closing_twice_or_before_anything_harms_nothing(play: Play) -> None:
    conversation = play.client(1).conversation
    conversation.close()
    conversation.close()
    assert conversation.next_job() is None


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_every_event_leads_to_one_state_or_is_a_bug(state: State, event: Event) -> None:
    assert TRANSITIONS[state].get(event, State.CLOSED) in State
    assert TRANSITIONS[state][Event.END] is State.CLOSED


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("state", [State.AUTHORIZATION, State.TRANSACTION])
def test_every_command_in_every_state_gets_one_status_line_first(play: Play, name: bytes, state: State) -> None:
    client = play.client(1) if state is State.AUTHORIZATION else logged_in(play)
    client.out = b""
    client.send(name + b"\r\n")
    assert client.out.startswith((b"+OK", b"-ERR"))
    assert client.out.endswith(b"\r\n")


SCRIPT = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [name + end for name in sorted(COMMANDS) for end in (b"\r\n", b" 1\r\n", b" alice\r\n", b" 1 1\n")]
        ),
        st.sampled_from([b"USER alice\r\nPASS secret\r\n", b"AUTH PLAIN\r\n", b"=\r\n", b"\0\r\n", b"*\r\n"]),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(SCRIPT)
def test_any_bytes_in_any_chunking_give_the_same_answers_and_raise_nothing(script: list[bytes]) -> None:
    data = b"".join(script)
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Scenario("", Path("x"), 1, users=["alice secret"]), "pop3", Path(folder), 0)
        play.fill(play.account("alice"), "INBOX", ["one", "two"])
        for number, chunk in ((1, len(data) or 1), (2, 1), (3, 7)):
            client = play.client(number)
            for start in range(0, len(data), chunk):
                client.send(data[start : start + chunk])
            client.conversation.close()
            answers.append(client.out)
            if b"DELE" in data.upper():
                break  # the next one would find another maildrop
        play.close()
    assert len(set(answers)) == 1
    assert all(level != "Error" for level, _ in play.log_lines)


def test_a_greeting_is_never_longer_than_the_standard_allows(tmp_path: Path) -> None:
    scenario = Scenario("", Path("x"), 1, settings={"service.pop.banner": "x" * 2000 + "é"})
    play = Play(scenario, "pop3", tmp_path, 0)
    assert len(play.client(1).out) <= 512
    play.close()


def test_on_a_unix_socket_passwords_are_taken_without_tls(tmp_path: Path) -> None:
    settings = {"service.pop.plaintextmincipher": 256}
    play = Play(Scenario("", Path("x"), 1, users=["alice secret"], settings=settings), "pop3", tmp_path, 0)
    conversation = play.service.open(Peer("", 0, "", 0, local=True), "s")
    client = Client(conversation)
    client.send(b"USER alice\r\nPASS secret\r\n")
    assert b"+OK Maildrop" in client.out
    conversation.close()
    play.close()


def test_a_reload_of_the_settings_counts_at_once(play: Play) -> None:
    client = play.client(1)
    play.config.adopt(Config({**vars(play.config)["_values"], "service.pop.maxbadcommands": 1}, play.config.instance))
    client.send(b"FROBNICATE\r\n")
    assert not client.open
