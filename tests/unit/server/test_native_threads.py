"""Native threads under a hub: nobody's work is lost, and what finishes a commit waits for nobody."""

from __future__ import annotations

import threading

import gevent

from nmsd.server.runtime import GeventRuntime


def test_work_of_a_killed_greenlet_is_done_even_if_it_still_queued() -> None:
    runtime = GeventRuntime(1)
    go_on, done = threading.Event(), threading.Event()
    first = gevent.spawn(runtime.offload, go_on.wait)
    second = gevent.spawn(runtime.offload, done.set)
    gevent.sleep(0)
    first.kill()
    second.kill()
    go_on.set()
    assert runtime.offload(done.is_set)
    runtime.close()


def test_what_finishes_does_not_queue_behind_what_was_offloaded() -> None:
    runtime = GeventRuntime(1)
    go_on = threading.Event()
    waiting = gevent.spawn(runtime.offload, go_on.wait)
    gevent.sleep(0)
    assert runtime.finish(lambda: "finished") == "finished"
    assert not waiting.ready()
    go_on.set()
    assert waiting.get() is True
    runtime.close()


def test_many_greenlets_each_get_their_own_result() -> None:
    runtime = GeventRuntime(4)
    greenlets = [gevent.spawn(lambda number=number: runtime.offload(lambda: number * 2)) for number in range(200)]
    gevent.joinall(greenlets, raise_error=True)
    assert [greenlet.value for greenlet in greenlets] == [number * 2 for number in range(200)]
    runtime.close()


def test_no_more_work_runs_at_once_than_there_are_threads() -> None:
    runtime = GeventRuntime(2)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        go_on.wait()

    greenlets = [gevent.spawn(runtime.offload, work) for _ in range(3)]
    gevent.sleep(0)
    assert begun.acquire(timeout=20)
    assert begun.acquire(timeout=20)
    assert not begun.acquire(timeout=0.05), "a third runs"
    go_on.set()
    gevent.joinall(greenlets, raise_error=True)
    assert begun.acquire(timeout=20)
    runtime.close()


def test_closing_waits_for_what_is_queued() -> None:
    runtime = GeventRuntime(1)
    done: list[int] = []
    for number in range(5):
        gevent.spawn(runtime.finish, lambda number=number: done.append(number))
    gevent.sleep(0)
    runtime.close()
    assert done == [0, 1, 2, 3, 4]
