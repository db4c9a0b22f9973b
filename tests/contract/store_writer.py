"""A process of its own that writes to a store, for tests that kill it or take its disk away.

    python -m tests.contract.store_writer ENGINE PLACE append|fill|hold [BYTES]

append: says "UID SUBJECT" of each message it stored, for ever, from eight threads.  fill: lowers the largest size a
file may have to BYTES and appends until the store refuses; then says what it refused with, and what is there.
hold: takes the maildrop's lock, says so, and keeps it until its input ends.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path

from nmsd.model.errors import StoreError
from nmsd.model.mailbox import INBOX
from nmsd.store.api import Account, FlagChange
from nmsd.store.runtime import PlainRuntime, unheard
from tests.contract.store_engines import ENGINES, NOW, StoreLimits
from tests.contract.store_messages import new, uids

ALICE = "alice@example.com"


def append_for_ever(account: Account) -> None:
    inbox = account.mailbox(INBOX).id
    target = account.mailbox("Trash").id

    def run(writer: int) -> None:
        number = 0
        while True:
            number += 1
            subject = f"{os.getpid()}-{writer}-{number}"
            uid = account.append(inbox, [new(subject, size=20_000 if number % 5 else 400_000)]).uids[0]
            os.write(1, f"{uid} {subject}\n".encode())
            if number % 7 == 0:
                account.copy(inbox, uids(uid), target)
                account.store_flags(inbox, uids(uid), FlagChange.ADD, 1, (f"w{writer}",))

    threads = [threading.Thread(target=run, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fill(account: Account, most: int) -> None:
    inbox = account.mailbox(INBOX).id
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    stored = 0
    for size in (50_000, 1_000_000, 3_000, 200_000):
        try:
            while True:
                account.append(inbox, [new(size=size)])
                stored += 1
        except StoreError as error:
            print(type(error).__name__)
    mailbox = account.mailbox(INBOX)
    print(stored, mailbox.messages, len(account.uids(inbox)))


def main() -> None:
    engine, place, what = sys.argv[1:4]
    store = ENGINES[engine](Path(place), PlainRuntime(), unheard, lambda: NOW, StoreLimits())
    account = store.account(ALICE)
    account.ensure()
    if what == "append":
        append_for_ever(account)
    elif what == "fill":
        fill(account, int(sys.argv[4]))
    else:
        with account.lock_maildrop():
            print("held", flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
