"""Whatever clients and administrators do at once, every session is closed once and nothing is left behind."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent
import pytest

from tests.unit.server.server_stand import Client, Stand

COMMANDS = (
    b"noop\n", b"block\n", b"late\n", b"big 3\n", b"inlinebig 3\n", b"idle\n", b"word\n", b"half a li", b"quit\n",
    b"boom\n", b"blockboom\n", b"spin 1 4\n", b"noop\nblock\nnoop\n" * 10,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threads", [1, 3, 50])
def test_nothing_is_left_of_sessions_in_a_storm(make_stand: Callable[..., Stand], seed: int, threads: int) -> None:
    chance = random.Random(f"{seed} {threads}")
    stand = make_stand(threads=threads)
    stand.pump.write_timeout = 0.02
    stand.service.block = lambda: gevent.sleep(chance.choice((0, 0, 0.001)))
    stand.service.closing = stand.service.block
    stand.service.idle_limit = 50.0

    def read(client: Client) -> None:
        while chance.random() < 0.8:
            with gevent.Timeout(0.01, False):
                if not client.sock.recv(chance.choice((10, 100_000))):
                    return

    def act(client: Client) -> None:
        what = chance.random()
        if what < 0.8:
            client.send(chance.choice(COMMANDS))
        elif what < 0.85:
            client.sock.shutdown(1)
        elif what < 0.9:
            client.sock.close()
        elif what < 0.93:
            client.session.kill("storm")
        elif what < 0.96:
            client.session.end("storm")
        else:
            stand.bus.announce("alice", 1, 1)

    def live(client: Client) -> None:
        reader = gevent.spawn(read, client)
        try:
            for _ in range(chance.randrange(12)):
                act(client)
                gevent.sleep(chance.choice((0, 0, 0.001)))
        except OSError:
            pass  # it was closed from one side or the other
        reader.join()
        client.sock.close()

    lives = []
    for _ in range(60):
        lives.append(gevent.spawn(live, stand.connect()))
        if chance.random() < 0.3:
            stand.pass_time(1)
            gevent.sleep(0)
    gevent.joinall(lives, raise_error=True)
    stand.settle(lambda: not stand.sessions)
    assert [conversation.closed for conversation in stand.service.conversations] == [1] * 60
    assert all(client.session.closed for client in stand.clients)
    stand.settle(lambda: stand.commands.busy == 0)
    assert stand.commands.waiting() == 0
    assert stand.bus.watching() == 0
    assert set(stand.log.texts("Error")) <= {"session failed"}
    assert {event[3]["trace"].splitlines()[-1] for event in stand.log.events if event[0] == "Error"} <= {
        "ValueError: boom"
    }
    assert not stand.log.texts("Warning")
