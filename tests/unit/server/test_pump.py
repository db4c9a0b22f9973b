"""The parking of sessions: inline jobs, greenlets, order, back-pressure, every way a session can end."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import gevent
import psutil
import pytest
from gevent.event import Event

from nmsd.server.board import account_slot
from tests.unit.server.echo_service import PIECE
from tests.unit.server.server_stand import Client, Stand


def hold(stand: Stand) -> Event:
    """Makes blocking jobs wait for the event that is returned."""
    event = Event()
    stand.service.block = event.wait
    return event


def test_a_session_is_greeted_and_parked(stand: Stand) -> None:
    client = stand.greeted()
    assert client.session.parked
    assert stand.commands.busy == 0


def test_an_inline_command_is_answered_without_a_greenlet(stand: Stand) -> None:
    client = stand.greeted()
    stand.commands.size = 0
    client.send(b"noop\n")
    assert client.line() == b"ok"
    stand.commands.size = 100


def test_pipelined_commands_are_answered_in_order_whether_inline_or_blocking(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"a\nblock\nnoop\nblock\nb\nlate\nc\n")
    assert client.lines(8) == [
        b"echo a", b"unblocked", b"ok", b"unblocked", b"echo b", b"waiting", b"late", b"echo c",
    ]  # fmt: skip
    stand.settle(lambda: client.session.parked)


def test_a_command_in_pieces_is_answered_once_it_is_whole(stand: Stand) -> None:
    client = stand.greeted()
    for byte in b"noop\n":
        client.send(bytes([byte]))
        gevent.sleep(0)
    assert client.line() == b"ok"


def test_more_inline_jobs_than_fit_a_turn_are_all_answered(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"noop\n" * 5000)
    assert client.lines(5000) == [b"ok"] * 5000
    stand.settle(lambda: client.session.parked and stand.commands.busy == 0)


def test_a_blocking_job_blocks_only_its_session(stand: Stand) -> None:
    event = hold(stand)
    one, other = stand.greeted(), stand.greeted()
    one.send(b"block\n")
    other.send(b"noop\n")
    assert other.line() == b"ok"
    assert stand.commands.busy == 1
    event.set()
    assert one.line() == b"unblocked"


def test_an_answer_before_a_blocking_job_is_not_kept_waiting_by_it(stand: Stand) -> None:
    event = hold(stand)
    client = stand.greeted()
    client.send(b"noop\nblock\n")
    assert client.line() == b"ok"
    event.set()
    assert client.line() == b"unblocked"


def test_an_inline_job_that_must_wait_goes_on_in_a_greenlet(stand: Stand) -> None:
    event = hold(stand)
    client = stand.greeted()
    client.send(b"late\n")
    assert client.line() == b"waiting"
    stand.settle(lambda: stand.commands.busy == 1)
    event.set()
    assert client.line() == b"late"


def test_an_inline_job_that_must_wait_unexpectedly_keeps_nobody_else_waiting(stand: Stand) -> None:
    event = hold(stand)
    stuck, other = stand.greeted(), stand.greeted()
    stuck.send(b"surprise\nnoop\n")
    gevent.sleep(0.005)
    other.send(b"noop\n")
    assert other.line() == b"ok"
    event.set()
    assert stuck.lines(2) == [b"surprised", b"ok"]


@pytest.mark.parametrize("command", ["big", "inlinebig"])
def test_a_slow_reader_gets_all_of_a_big_answer_while_others_are_served(stand: Stand, command: str) -> None:
    slow, other = stand.greeted(), stand.greeted()
    slow.send(f"{command} 100\nnoop\n".encode())
    stand.settle(lambda: stand.commands.busy == 1)
    other.send(b"noop\n")
    assert other.line() == b"ok"
    assert slow.lines(102) == [PIECE[:-1]] * 100 + [b"end", b"ok"]


def test_a_client_that_takes_nothing_is_dropped_after_the_write_timeout(stand: Stand) -> None:
    stand.pump.write_timeout = 0.05
    client = stand.greeted()
    client.send(b"big 1000\n")
    stand.settle(lambda: client.session.closed)
    assert stand.log.reasons() == ["the client takes nothing"]
    stand.settle(lambda: stand.service.conversations[0].closed == 1 and not stand.sessions)


def test_reading_stops_while_the_conversation_wants_no_more(stand: Stand) -> None:
    client = stand.greeted()
    stand.service.read_ahead = 4
    client.send(b"12345")
    stand.settle(lambda: client.session.received == 5)
    client.send(b"678\n")
    gevent.sleep(0.02)
    assert client.session.received == 5


def test_nothing_is_fed_while_a_job_runs_and_all_is_read_after(stand: Stand) -> None:
    event = hold(stand)
    client = stand.greeted()
    client.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 1)
    client.send(b"noop\n")
    gevent.sleep(0.02)
    assert stand.service.log == [b"block"]
    event.set()
    assert client.lines(2) == [b"unblocked", b"ok"]


def test_commands_beyond_the_thread_limit_wait_in_order_and_their_sessions_stay_open(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(threads=2)
    event = hold(stand)
    clients = [stand.greeted() for _ in range(6)]
    for count, client in enumerate(clients):
        client.send(b"block\n")
        stand.settle(lambda count=count: stand.commands.busy + stand.commands.waiting() == count + 1)
    assert (stand.commands.busy, stand.commands.waiting()) == (2, 4)
    event.set()
    assert [client.line() for client in clients] == [b"unblocked"] * 6
    assert stand.service.finished == [client.session.id for client in clients]
    stand.settle(lambda: stand.commands.busy == 0)


def test_a_client_with_many_blocking_commands_lets_others_have_the_greenlet_between(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(threads=1)
    stand.service.block = lambda: gevent.sleep(0.001)
    greedy, modest = stand.greeted(), stand.greeted()
    greedy.send(b"block\n" * 200)
    assert greedy.line() == b"unblocked"
    modest.send(b"block\n")
    assert modest.line() == b"unblocked"
    assert len(stand.service.log) < 100
    assert greedy.lines(199) == [b"unblocked"] * 199


def test_a_job_that_computes_for_long_gives_others_turns(stand: Stand) -> None:
    busy, other = stand.greeted(), stand.greeted()
    busy.send(b"spin 2 200\n")
    stand.settle(lambda: stand.commands.busy == 1)
    for _ in range(10):
        other.send(b"noop\n")
        assert other.line() == b"ok"
    assert stand.commands.busy == 1
    assert busy.line() == b"." * 200


def test_greenlets_are_reused(stand: Stand) -> None:
    clients = [stand.greeted() for _ in range(50)]
    hands: set[Any] = set()
    stand.service.block = lambda: hands.add(gevent.getcurrent())
    for client in clients:
        client.send(b"block\n")
        assert client.line() == b"unblocked"
    assert len(hands) == 1


def test_a_burst_leaves_few_greenlets_behind(stand: Stand) -> None:
    event = hold(stand)
    clients = [stand.greeted() for _ in range(100)]
    for client in clients:
        client.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 100)
    event.set()
    assert {client.line() for client in clients} == {b"unblocked"}
    stand.settle(lambda: stand.commands.busy == 0)
    assert len(stand.commands._free) <= 32


# Ends


def ended(stand: Stand, client: Client) -> None:
    stand.settle(lambda: client.session not in stand.sessions)
    assert [conversation.closed for conversation in stand.service.conversations] == [1]


def test_close_ends_the_session_after_its_answer(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"quit\nnoop\n")
    assert client.rest() == b"bye\n"
    ended(stand, client)
    assert stand.log.reasons() == ["end of session"]


def test_close_after_a_big_answer_sends_it_all_first(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"big 50\nquit\n")
    assert client.rest() == PIECE * 50 + b"end\nbye\n"
    ended(stand, client)


def test_at_end_of_file_the_commands_before_it_are_answered_first(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"block\nnoop\n")
    client.sock.shutdown(1)
    assert client.rest() == b"unblocked\nok\neof seen\n"
    ended(stand, client)


def test_a_client_that_vanishes_in_the_middle_of_a_command_is_closed(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"noo")
    gevent.sleep(0)
    client.sock.close()
    ended(stand, client)


def test_a_client_that_vanishes_in_the_middle_of_an_answer_is_closed(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"big 100\n")
    stand.settle(lambda: stand.commands.busy == 1)
    client.sock.close()
    ended(stand, client)
    assert stand.log.reasons()[0].startswith("connection lost")


@pytest.mark.parametrize(("command", "answer"), [(b"boom\n", b""), (b"blockboom\n", b"")])
def test_an_exception_in_a_job_ends_that_session_only_and_is_logged(
    stand: Stand, command: bytes, answer: bytes
) -> None:
    bad, good = stand.greeted(), stand.greeted()
    bad.send(command)
    rest = bad.rest()
    assert rest in (b"", b"farewell: Internal error\n")
    [fields] = [event[3] for event in stand.log.events if event[0] == "Error"]
    assert "ValueError: boom" in fields["trace"]
    good.send(b"noop\n")
    assert good.line() == b"ok"
    stand.settle(lambda: bad.session not in stand.sessions)
    assert stand.service.conversations[0].closed == 1


def test_an_exception_in_closing_is_logged_and_the_slot_comes_free(stand: Stand) -> None:
    def fail() -> None:
        raise ValueError("cannot close")

    stand.service.closing = fail
    client = stand.greeted()
    client.send(b"quit\n")
    ended(stand, client)
    assert stand.log.texts("Error") == ["session not closed"]


def test_closing_may_block_and_holds_the_slot_until_done(stand: Stand) -> None:
    event = Event()
    stand.service.closing = event.wait
    client = stand.greeted()
    client.send(b"quit\n")
    assert client.rest() == b"bye\n"
    assert client.session in stand.sessions
    event.set()
    ended(stand, client)


def test_a_parked_session_is_told_farewell_at_once(stand: Stand) -> None:
    client = stand.greeted()
    client.session.end("going down")
    assert client.rest() == b"farewell: going down\n"
    ended(stand, client)


def test_a_busy_session_is_told_farewell_after_its_present_command(stand: Stand) -> None:
    event = hold(stand)
    client = stand.greeted()
    client.send(b"block\nnoop\n")
    stand.settle(lambda: stand.commands.busy == 1)
    client.session.end("going down")
    event.set()
    assert client.rest() == b"unblocked\nfarewell: going down\n"
    ended(stand, client)


def test_a_session_that_waits_for_a_greenlet_can_be_killed(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(threads=1)
    event = hold(stand)
    first, second = stand.greeted(), stand.greeted()
    first.send(b"block\n")
    second.send(b"block\n")
    stand.settle(lambda: stand.commands.waiting() == 1)
    second.session.kill("enough")
    assert second.rest() == b""
    event.set()
    assert first.line() == b"unblocked"
    stand.settle(lambda: second.session not in stand.sessions)
    assert stand.service.log == [b"block", b"block"]


def test_kill_interrupts_a_blocked_command_and_its_greenlet_serves_others_after(stand: Stand) -> None:
    used: list[Any] = []
    stand.service.block = lambda: (used.append(gevent.getcurrent()), Event().wait())
    victim = stand.greeted()
    victim.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 1)
    victim.session.kill("administrator")
    assert victim.rest() == b""
    stand.settle(lambda: not stand.sessions)
    assert stand.service.conversations[0].interrupted
    assert stand.service.conversations[0].closed == 1
    stand.service.block = lambda: used.append(gevent.getcurrent())
    other = stand.greeted()
    other.send(b"block\n")
    assert other.line() == b"unblocked"
    assert used[0] is used[1]


def test_a_kill_that_comes_late_does_not_hit_the_next_session_of_the_greenlet(stand: Stand) -> None:
    event = hold(stand)
    victim, next_one = stand.greeted(), stand.greeted()
    victim.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 1)
    # The command ends in the same turn of the loop in which the kill is asked for, and the greenlet goes to another.
    event.set()
    victim.session.kill("too late")
    event.clear()
    next_one.send(b"block\n")
    gevent.sleep(0.01)
    assert not next_one.session.closed
    event.set()
    assert next_one.line() == b"unblocked"
    assert not stand.service.conversations[1].interrupted


def test_a_time_out_inside_a_job_is_over_with_the_job(stand: Stand) -> None:
    def short_wait() -> None:
        with gevent.Timeout(0.005, False):
            Event().wait()

    stand.service.block = short_wait
    client = stand.greeted()
    for _ in range(3):
        client.send(b"block\n")
        assert client.line() == b"unblocked"
    event = hold(stand)
    client.send(b"block\n")
    gevent.sleep(0.02)  # were a time-out of an earlier job still running, it would strike here
    event.set()
    assert client.line() == b"unblocked"


def test_a_stray_throw_into_an_idle_greenlet_does_no_harm(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"block\n")
    assert client.line() == b"unblocked"
    stand.settle(lambda: stand.commands.busy == 0)
    (hand,) = stand.commands._free
    gevent.kill(hand)
    gevent.sleep(0.01)
    assert stand.log.texts("Warning") == ["an idle greenlet was thrown into"]
    client.send(b"block\n")
    assert client.line() == b"unblocked"


def test_a_kill_while_a_job_waits_for_its_turn_leaves_the_turns_in_order(stand: Stand) -> None:
    one, other = stand.greeted(), stand.greeted()
    one.send(b"spin 6 1000\n")
    other.send(b"spin 6 20\n")
    stand.settle(lambda: stand.commands.busy == 2)
    one.session.kill("enough")
    assert other.line() == b"." * 20
    stand.settle(lambda: one.session not in stand.sessions)


# Idle


def test_an_idle_client_is_told_and_closed_at_its_limit_and_not_before(stand: Stand) -> None:
    stand.service.idle_limit = 100.0
    client = stand.greeted()
    stand.pass_time(99)
    assert not client.session.closed
    stand.pass_time(1)
    assert client.rest() == b"idle for too long\n"
    ended(stand, client)


def test_a_word_from_the_client_begins_the_idle_time_anew(stand: Stand) -> None:
    stand.service.idle_limit = 100.0
    client = stand.greeted()
    stand.pass_time(99)
    client.send(b"noop\n")
    assert client.line() == b"ok"
    stand.pass_time(99)
    assert not client.session.closed


def test_a_busy_session_is_not_idle(stand: Stand) -> None:
    stand.service.idle_limit = 100.0
    event = hold(stand)
    client = stand.greeted()
    client.send(b"block\n")
    stand.settle(lambda: stand.commands.busy == 1)
    stand.pass_time(1000)
    assert not client.session.closed
    event.set()
    assert client.line() == b"unblocked"


def test_a_watching_client_hears_the_heartbeat_and_it_is_no_word_from_the_client(stand: Stand) -> None:
    stand.service.idle_limit = 100.0
    stand.service.beats_each = 1
    client, other = stand.greeted(), stand.greeted()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    stand.pass_time(60)
    assert client.line() == b"still here"
    stand.pass_time(40)
    assert client.rest().endswith(b"idle for too long\n")
    assert other.rest() == b"idle for too long\n"


# Changes


@pytest.mark.parametrize("inline", [True, False])
def test_a_watching_client_is_told_of_a_change(stand: Stand, inline: bool) -> None:
    stand.service.wake_inline = inline
    client = stand.greeted()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    for modseq in range(5):
        stand.bus.announce("alice", 1, modseq)
        assert client.line() == b"changed"
    client.send(b"done\n")
    assert client.line() == b"echo done"
    assert stand.bus.watching() == 0


def test_a_change_between_the_last_look_and_the_watch_is_told(stand: Stand) -> None:
    client = stand.greeted()
    conversation = stand.service.conversations[0]
    wake = conversation.wake
    asked: list[int] = []
    conversation.wake = lambda: asked.append(1) or wake()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    assert asked == [1]


def test_a_lost_announcement_is_found_by_the_timer(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    stand.board.stamps[account_slot("alice")] = 12345
    stand.pass_time(1)
    assert client.line() == b"changed"


def test_a_change_while_a_greenlet_is_at_work_is_told_after(stand: Stand) -> None:
    event = hold(stand)
    stand.service.wake_inline, stand.service.waking = False, event.wait
    client = stand.greeted()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    stand.bus.announce("alice", 1, 1)
    stand.settle(lambda: stand.commands.busy == 1)
    stand.bus.announce("alice", 1, 2)
    gevent.sleep(0.01)
    event.set()
    assert client.lines(2) == [b"changed", b"changed"]


def test_a_closed_session_watches_no_more(stand: Stand) -> None:
    client = stand.greeted()
    client.send(b"idle\n")
    assert client.line() == b"idling"
    assert stand.bus.watching() == 1
    client.sock.close()
    stand.settle(lambda: not stand.sessions)
    assert stand.bus.watching() == 0


# Size


def test_two_thousand_parked_sessions_take_little_memory(stand: Stand) -> None:
    stand.greeted()
    gc.collect()
    before = psutil.Process().memory_full_info().uss
    for _ in range(2000):
        stand.connect()
    stand.settle(lambda: all(client.session.parked for client in stand.clients))
    gc.collect()
    grown = psutil.Process().memory_full_info().uss - before
    # The clients' gevent sockets and the echo conversations are in it, too.
    assert grown / 2000 < 6000
