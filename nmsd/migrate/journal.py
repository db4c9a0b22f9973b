"""What has been imported from a source into an account, so that a second run imports nothing twice.

One JSON line a step.  Before a batch is appended its intent is written, and after it that it was done; both reach the
disk.  A run that finds an intent without its end asks the mailbox whether the batch is there (an append is all or
nothing), so not even a crash between the two makes a duplicate.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from nmsd.model.errors import NmsdError


@dataclass(frozen=True)
class Intent:
    """A batch about to be appended: to a mailbox with this UIDVALIDITY, when its next UID was `uidnext`."""

    mailbox: str
    uidvalidity: int
    uidnext: int
    sizes: tuple[int, ...]
    keys: tuple[str, ...]


class Journal:
    """The journal of one account and one source, locked until `close`."""

    def __init__(self, path: str, was_done: Callable[[Intent], bool]) -> None:
        """Opens or makes the file; `was_done` says whether a batch that was begun is in its mailbox.  Raises NmsdError
        when another import has it, OSError."""
        self._done: set[str] = set()
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        self._file: IO[bytes] = open(  # noqa: SIM115 (closed by close)
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "r+b", buffering=0
        )
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise NmsdError("this source is being imported into this account already") from None
        self._read(was_done)

    def _read(self, was_done: Callable[[Intent], bool]) -> None:
        pending: Intent | None = None
        whole = 0
        # What follows the last line that makes sense is of a run that was cut off, and goes.
        for line in self._file.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                step = json.loads(line)
                intent = _intent(step) if "keys" in step else None
            except (ValueError, KeyError, TypeError):
                break
            whole += len(line)
            if intent is not None:
                pending = intent
            elif pending is not None:
                if step.get("done"):
                    self._done.update(pending.keys)
                pending = None
        os.ftruncate(self._file.fileno(), whole)
        if pending is not None:
            if was_done(pending):
                self.commit(pending)
            else:
                self.give_up()

    def has(self, key: str) -> bool:
        """Whether the message of this key has been imported."""
        return key in self._done

    def begin(self, intent: Intent) -> None:
        """Notes what is about to be appended."""
        self._write(
            {
                "mailbox": intent.mailbox,
                "uidvalidity": intent.uidvalidity,
                "uidnext": intent.uidnext,
                "sizes": intent.sizes,
                "keys": intent.keys,
            }
        )

    def commit(self, intent: Intent) -> None:
        """Notes that it was appended."""
        self._write({"done": True})
        self._done.update(intent.keys)

    def give_up(self) -> None:
        """Notes that it was not."""
        self._write({"done": False})

    def _write(self, step: dict[str, Any]) -> None:
        self._file.write(json.dumps(step).encode() + b"\n")
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Lets others have it."""
        self._file.close()


def _intent(step: dict[str, Any]) -> Intent:
    return Intent(
        str(step["mailbox"]),
        int(step["uidvalidity"]),
        int(step["uidnext"]),
        tuple(int(size) for size in step["sizes"]),
        tuple(str(key) for key in step["keys"]),
    )


def journal_path(instance: str, account: str, source: str) -> str:
    """Where the journal of an account and a source is kept."""
    name = hashlib.sha256(f"{account}\0{os.path.realpath(source)}".encode("utf-8", "surrogateescape")).hexdigest()
    return os.path.join(instance, "run", "import", name[:32])


def is_run(sizes: Sequence[int], there: Sequence[tuple[int, int]]) -> bool:
    """Whether messages of these sizes are among `there`, (uid, size) ascending, with UIDs one after the other."""
    count = len(sizes)
    for start in range(len(there) - count + 1):
        window = there[start : start + count]
        if window[-1][0] - window[0][0] == count - 1 and [size for _, size in window] == list(sizes):
            return True
    return False
