"""Changing etc/nmsd.conf: comments stay, what does not hold together is taken back, one who changes it at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from nmsd.config.file import edit_lines, replace_file
from nmsd.config.load import Loaded, config_path
from nmsd.config.problem import ConfigError, Problem


class FileChanged(Exception):
    """Somebody else has changed the file since it was read."""


def version_of(data: bytes) -> str:
    """A word that is another after every change of the file."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(instance: str) -> bytes:
    """The file as it is.  Raises OSError."""
    with open(config_path(instance), "rb") as file:
        return file.read()


def change_file(
    instance: str, read: Callable[[], Loaded], changes: Mapping[str, str | None], expected: str = ""
) -> tuple[bytes, bytes]:
    """Sets each name to its text (None: no longer set) and gives the file's content before and after.

    `read` loads the configuration; `expected` is the `version_of` the file that the changes were made from, if that
    matters.  Raises FileChanged; ConfigError when a problem is in it that was not there before, and the file is then as
    it was; OSError.
    """
    path = config_path(instance)
    with _alone(path):
        before = read()
        old = read_bytes(instance)
        if expected and version_of(old) != expected:
            raise FileChanged
        new = _edited(old, changes, before)
        replace_file(path, new)
        known = {(problem.name, problem.what) for problem in before.problems}
        fresh = [problem for problem in read().problems if (problem.name, problem.what) not in known]
        if fresh:
            replace_file(path, old)
            raise ConfigError(fresh)
    return old, new


def take_back(instance: str, old: bytes, new: bytes) -> None:
    """Puts the content before a change back, unless the file was changed again since."""
    path = config_path(instance)
    with _alone(path):
        if read_bytes(instance) == new:
            replace_file(path, old)


def _edited(old: bytes, changes: Mapping[str, str | None], before: Loaded) -> bytes:
    try:
        lines = old.decode().splitlines()
    except UnicodeDecodeError:
        raise ConfigError(before.problems) from None
    for name, text in changes.items():
        try:
            lines = edit_lines(lines, name, text)
        except ValueError as error:
            raise ConfigError([Problem(str(error), "write it in another way", name=name, value=text)]) from None
    return ("\n".join(lines) + "\n").encode()


@contextmanager
def _alone(path: str) -> Iterator[None]:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
