"""Partitions: the directories that accounts are spread over, by nickname.

Where an account is, its file tells: it is looked for in all of them.  A nickname matters once, when it is made.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nmsd.model.errors import UnknownPartition
from nmsd.store.sqlite.paths import database_file, database_path, database_paths, make_directory

PRIMARY: Final = "primary"
_LOCK: Final = ".partitions.lock"


class Partitions:
    """The partitions; `roots` are their directories by nickname, in small letters; `default` is the nickname for
    accounts without one."""

    def __init__(self, roots: Mapping[str, Path], default: str = PRIMARY) -> None:
        self._roots = dict(roots)
        self.default = default

    def __len__(self) -> int:
        return len(self._roots)

    def names(self) -> tuple[str, ...]:
        """The nicknames."""
        return tuple(self._roots)

    def roots(self) -> dict[str, Path]:
        """The directories by nickname."""
        return dict(self._roots)

    def place(self, account: str, nickname: str) -> Path:
        """Where a new account's file is to be; '' is the default partition.  Raises UnknownPartition."""
        return database_path(self._root(account, nickname), account)

    def file(self, account: str) -> str:
        """`place` in the default partition, as a string.  Raises UnknownPartition."""
        return database_file(self._root(account, ""), account)

    def _root(self, account: str, nickname: str) -> Path:
        root = self._roots.get(nickname.lower() or self.default)
        if root is None:
            raise UnknownPartition(
                f"{account}: there is no partition {nickname!r}; set store.partition.{nickname.lower()}.path, or mend"
                " mailMessageStore in the user's entry"
            )
        return root

    def find(self, account: str) -> Path | None:
        """Where an account's file is, if there is one."""
        for root in self._roots.values():
            path = database_path(root, account)
            if path.exists():
                return path
        return None

    def name_of(self, path: Path) -> str:
        """The nickname of the partition that a file is in."""
        return next((name for name, root in self._roots.items() if path.parent.parent == root), "")

    def files(self) -> Iterator[Path]:
        """All accounts' files, unsorted."""
        for root in self._roots.values():
            yield from database_paths(root)

    @contextmanager
    def making(self) -> Iterator[None]:
        """Keeps other processes from making accounts, or moving them, meanwhile: the same one could be made in two
        partitions.  Blocks; for native threads."""
        if len(self._roots) < 2:
            yield
            return
        root = next(iter(self._roots.values()))
        make_directory(root)
        descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
