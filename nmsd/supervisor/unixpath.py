"""Unix sockets in deep directories: the system takes 107 bytes of path, an instance may be deeper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LONGEST: Final = 107


@contextmanager
def reachable(path: str) -> Iterator[str]:
    """A name for `path` that is short enough for bind and connect, while the context lasts."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)
