"""What transcripts cannot show: every command in every state, any bytes in any chunking, memory, ends of patience."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmsd.lmtp.commands import COMMANDS
from nmsd.lmtp.state import TRANSITIONS, Event, State
from tests.transcripts.lines import Play, Scenario


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Alice and bob."""
    found = Play(Scenario("", Path("x"), 1, users=["alice secret", "bob secret"]), "lmtp", tmp_path, 0)
    yield found
    found.close()


def test_a_large_message_goes_through_a_file_to_each_recipient_and_the_file_is_gone(play: Play) -> None:
    def spools() -> list[str]:
        links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return [target for link in links if os.path.islink(link) and "(deleted)" in (target := os.readlink(link))]

    before = len(spools())
    client = play.client(1)
    client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nRCPT TO:<bob>\r\nDATA\r\n")
    body = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 100_000
    for start in range(0, len(body), 1 << 16):
        client.send(body[start : start + (1 << 16)])
    assert len(spools()) == before + 1
    client.out = b""
    client.send(b".\r\n")
    assert client.out.count(b"250 2.1.5 ") == 2
    assert len(spools()) == before
    for name in ("alice", "bob"):
        account = play.account(name)
        mailbox = account.mailbox("INBOX")
        assert account.read(mailbox.id, 1, 0, 1 << 30).endswith(body)
    client.conversation.close()


def test_a_transaction_that_is_dropped_gives_its_file_back(play: Play) -> None:
    client = play.client(1)
    client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nBDAT 2000000\r\n" + b"x" * 2_000_000)
    assert client.out.endswith(b"250 2.0.0 2000000 bytes received\r\n")
    client.conversation.close()
    client.conversation.close()
    assert not play.account("alice").exists()


def test_a_mailbox_that_vanishes_after_rcpt_costs_the_subaddress_and_not_the_message(play: Play) -> None:
    play.fill(play.account("alice"), "Work", [])
    client = play.client(1)
    client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice+Work>\r\nDATA\r\nSubject: x\r\n")
    play.account("alice").delete("Work")
    client.send(b"\r\n.\r\n")
    assert client.out.endswith(b"250 2.1.5 <alice+Work> delivered\r\n")
    assert play.account("alice").mailbox("INBOX").messages == 1


def test_a_user_who_is_removed_after_rcpt_still_gets_the_message(play: Play) -> None:
    client = play.client(1)
    client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nDATA\r\nSubject: x\r\n")
    (Path(play.config.instance) / "etc" / "directory.ldif").write_text("")
    client.send(b"\r\n.\r\n")
    assert client.out.endswith(b"250 2.1.5 <alice> delivered\r\n")


def test_while_the_directory_cannot_be_read_mail_is_deferred(tmp_path: Path) -> None:
    play = Play(Scenario("", Path("x"), 1, users=["nonsense\n\n\n x"]), "lmtp", tmp_path, 0)
    client = play.client(1)
    client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\n")
    assert client.out.endswith(b"451 4.4.3 Directory is not available now, try again later\r\n")
    play.close()


def test_reading_stops_while_much_is_pipelined(play: Play) -> None:
    conversation = play.client(1).conversation
    assert conversation.wants_more()
    conversation.feed(b"NOOP\r\n" * 50_000)
    assert not conversation.wants_more()


def test_at_the_ends_of_its_patience_it_says_what_the_standard_wants(play: Play) -> None:
    conversation = play.client(1).conversation
    assert conversation.idle_limit == 300
    assert conversation.idle_out() == b"421 4.4.2 Nothing heard for too long\r\n"
    assert conversation.farewell("Server is going down") == b"421 4.3.2 Server is going down\r\n"
    assert play.service.busy().startswith(b"421 4.3.2 ")
    assert (conversation.user, conversation.account, conversation.state) == ("", "", "start")


@pytest.mark.parametrize("state", list(State))
def test_every_event_leads_to_one_state_or_is_a_bug(state: State) -> None:
    for event in Event:
        assert TRANSITIONS[state].get(event, State.CLOSED) in State
    assert TRANSITIONS[state][Event.END] is State.CLOSED


BEFORE = {
    State.START: b"NOOP\r\n",
    State.READY: b"LHLO x\r\n",
    State.ENVELOPE: b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\n",
    State.CHUNKS: b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nBDAT 1\r\nx",
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("state", list(BEFORE))
def test_every_command_in_every_state_gets_a_reply(play: Play, name: bytes, state: State) -> None:
    client = play.client(1)
    client.send(BEFORE[state])
    client.out = b""
    client.send(name + b"\r\n")
    assert client.out[:3].isdigit()
    assert client.out.endswith(b"\r\n")
    client.conversation.close()


SCRIPT = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([name + b"\r\n" for name in sorted(COMMANDS)]),
        st.sampled_from(
            [
                *(b"LHLO x\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<a@b> SIZE=1\n", b"RCPT TO:<alice>\r\n"),
                *(
                    b"RCPT TO:<alice+Sent@example.com>\r\n",
                    b"RCPT TO:<nobody>\r\n",
                    b"DATA\r\n",
                    b".\r\n",
                    b"\r\n.\r\n",
                ),
                *(b"BDAT 5\r\n", b"BDAT 3 LAST\r\nabc", b"BDAT 0 LAST\r\n", b"\n.\n", b"\r\n..\r\n", b"\0\r\n"),
            ]
        ),
    ),
    max_size=20,
).map(lambda pieces: b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\n" + b"".join(pieces))


@settings(max_examples=25, deadline=None)
@given(SCRIPT)
def test_any_bytes_in_any_chunking_give_the_same_replies_and_the_same_mail(data: bytes) -> None:
    outcomes = []
    for chunk in (len(data), 1, 7):
        with tempfile.TemporaryDirectory() as folder:
            play = Play(Scenario("", Path("x"), 1, users=["alice secret"]), "lmtp", Path(folder), 0)
            client = play.client(1)
            for start in range(0, len(data), chunk):
                client.send(data[start : start + chunk])
            client.conversation.close()
            account = play.account("alice")
            held = account.usage() if account.exists() else None
            outcomes.append((client.out, held))
            # Each 250 for a recipient after a message stands for a message on disk, and nothing else is there.
            assert (held.messages if held else 0) == client.out.count(b" delivered\r\n")
            assert all(level != "Error" for level, _ in play.log_lines)
            play.close()
    assert outcomes[0] == outcomes[1] == outcomes[2]
