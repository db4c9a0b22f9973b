"""Processes that die in the middle of writing, and disks that fill up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nmsd.model.errors import MaildropInUse
from nmsd.model.mailbox import INBOX
from nmsd.model.message import Field
from tests.contract.conftest import ALICE, Workbench
from tests.contract.store_messages import fetch, fill, new

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(bench: Workbench, engine_name: str, *what: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that writes to the store."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.store_writer", engine_name, str(bench.place), *what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledged_before_the_kill(process: subprocess.Popen[str], count: int) -> dict[int, str]:
    """What the process says it stored; it is killed once it has said so `count` times."""
    assert process.stdout is not None
    stored: dict[int, str] = {}
    for line in process.stdout:
        uid, _, subject = line.strip().partition(" ")
        stored[int(uid)] = subject
        if len(stored) == count:
            process.send_signal(signal.SIGKILL)
    return stored


@pytest.mark.parametrize("rounds", [3])
def test_what_a_killed_process_had_acknowledged_is_there(bench: Workbench, engine_name: str, rounds: int) -> None:
    store = bench.open()
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    stored: dict[int, str] = {}
    for number in range(rounds):
        with writer(bench, engine_name, "append") as process:
            stored |= acknowledged_before_the_kill(process, 20 + 30 * number)
        there = {
            uid: header.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
            for uid, header in fetch(account, inbox, Field.HEADER)
        }
        assert {uid: there.get(uid) for uid in stored} == stored
        assert [finding.text for finding in store.check(ALICE)] == []
        # Whole or not at all, and nobody is locked out.
        for _, size, header, text in fetch(account, inbox, Field.SIZE, Field.HEADER, Field.TEXT):
            assert size == len(header) + len(text)
        uid = account.append(inbox, [new("after")]).uids[0]
        assert uid > max(stored)


def test_a_full_disk_refuses_and_keeps_what_is_there(bench: Workbench, engine_name: str) -> None:
    store = bench.open()
    account = store.account(ALICE)
    account.ensure()
    inbox = account.mailbox(INBOX).id
    fill(account, inbox, 5)
    with writer(bench, engine_name, "fill", str(2_000_000)) as process:
        said = process.communicate()[0].split("\n")
    assert said[:4] == ["StoreFull"] * 4
    stored, counted, listed = map(int, said[4].split())
    assert stored > 0
    assert counted == listed == stored + 5 == account.mailbox(INBOX).messages
    assert list(store.check(ALICE)) == []
    assert account.append(inbox, [new("there is room again", size=3_000_000)]).uids


def test_the_maildrop_lock_dies_with_its_holder(bench: Workbench, engine_name: str) -> None:
    account = bench.open().account(ALICE)
    with writer(bench, engine_name, "hold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(MaildropInUse), account.lock_maildrop():
            pass
        process.kill()
        process.wait()
        with account.lock_maildrop():
            pass
