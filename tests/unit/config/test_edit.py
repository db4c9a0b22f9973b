"""Changing the configuration file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nmsd.config.edit import FileChanged, change_file, read_bytes, take_back, version_of
from nmsd.config.load import Loaded, read
from nmsd.config.problem import ConfigError
from nmsd.config.render import sample_file
from nmsd.settings import SECTIONS

Read = Callable[[], Loaded]


@pytest.fixture
def directory(tmp_path: Path) -> str:
    (tmp_path / "etc/tls").mkdir(parents=True)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "etc/tls" / name).touch()
    (tmp_path / "etc/nmsd.conf").write_text(sample_file(SECTIONS, {"service.imap.port": "1143"}))
    return str(tmp_path)


@pytest.fixture
def load(directory: str) -> Read:
    return lambda: read(directory, SECTIONS, environ={})


def test_several_changes_are_made_at_once_and_comments_stay(directory: str, load: Read) -> None:
    old, new = change_file(directory, load, {"service.imap.port": None, "service.imap.maxsessions": "7"})
    assert read_bytes(directory) == new
    before, after = old.decode().splitlines(), new.decode().splitlines()
    assert [line for line in before if line not in after] == ["service.imap.port = 1143"]
    assert [line for line in after if line not in before] == ["service.imap.maxsessions = 7"]


def test_values_that_make_something_wrong_leave_the_file_as_it_was(directory: str, load: Read) -> None:
    before = read_bytes(directory)
    with pytest.raises(ConfigError) as caught:
        change_file(directory, load, {"service.pop.port": "1143", "service.imap.maxsessions": "7"})
    assert [problem.name for problem in caught.value.problems] == ["service.pop.port"]
    assert read_bytes(directory) == before


def test_a_value_that_no_line_can_hold_is_refused(directory: str, load: Read) -> None:
    with pytest.raises(ConfigError):
        change_file(directory, load, {"service.imap.banner": "two\nlines"})


def test_a_change_made_from_an_older_file_is_refused(directory: str, load: Read) -> None:
    version = version_of(read_bytes(directory))
    _, new = change_file(directory, load, {"service.imap.maxsessions": "7"}, version)
    with pytest.raises(FileChanged):
        change_file(directory, load, {"service.imap.maxsessions": "8"}, version)
    assert read_bytes(directory) == new


def test_a_change_is_taken_back_unless_somebody_has_changed_more(directory: str, load: Read) -> None:
    old, new = change_file(directory, load, {"service.imap.maxsessions": "7"})
    take_back(directory, old, new)
    assert read_bytes(directory) == old
    first = change_file(directory, load, {"service.imap.maxsessions": "7"})
    _, latest = change_file(directory, load, {"service.imap.maxthreads": "8"})
    take_back(directory, *first)
    assert read_bytes(directory) == latest


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_no_value_brings_another_setting_along(directory: str, load: Read, end: str) -> None:
    """By what ends a line where the file is read."""
    before = read_bytes(directory)
    with pytest.raises(ConfigError):
        change_file(directory, load, {"service.imap.banner": f"hello{end}service.pop.enable = no"})
    assert read_bytes(directory) == before
