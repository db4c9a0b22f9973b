"""Settings of which there may be any number: store.partition.NAME.path."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmsd.config.file import END_LINE, FIRST_LINE, known_settings
from nmsd.config.load import Loaded, read, read_snapshot, write_snapshot
from nmsd.settings import SECTIONS
from nmsd.store.sqlite.settings import PARTITION_PATH, partitions_of


def load(folder: Path, *lines: str) -> Loaded:
    """The configuration of an instance with these lines."""
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc/nmsd.conf").write_text("\n".join([FIRST_LINE, *lines, END_LINE, ""]))
    return read(str(folder), SECTIONS, environ={})


def told(loaded: Loaded) -> list[str]:
    """What is wrong with the store's settings."""
    return [problem.what for problem in loaded.problems if problem.name.startswith("store.")]


def test_members_are_settings_like_others(tmp_path: Path) -> None:
    loaded = load(tmp_path, "store.partition.fast.path = /fast", "store.partition.slow-2.path = slow")
    assert told(loaded) == []
    assert loaded.config.family(PARTITION_PATH) == {"fast": "/fast", "slow-2": "slow"}
    roots = partitions_of(loaded.config).roots()
    assert roots["primary"] == tmp_path / "store"
    assert roots["fast"] == Path("/fast")
    assert roots["slow-2"] == tmp_path / "slow"
    write_snapshot(str(tmp_path / "snapshot"), loaded, SECTIONS)
    again = read_snapshot(str(tmp_path / "snapshot"), SECTIONS)
    assert again.family(PARTITION_PATH) == loaded.config.family(PARTITION_PATH)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["store.partition.Fast.path = /fast"], "no such setting"),
        (["store.partition..path = /fast"], "no such setting"),
        (["store.partition.a.b.path = /fast"], "no such setting"),
        (["store.partition.fast.path ="], "is empty"),
        (["store.defaultpartition = fast"], "none of the partitions"),
        (["store.partition.fast.path = store"], "is the directory of the partition primary, too"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, lines: list[str], words: str) -> None:
    [what] = told(load(tmp_path, *lines))
    assert words in what


def test_only_what_is_set_is_listed() -> None:
    known = known_settings(SECTIONS)
    assert "store.partition.fast.path" in known
    assert known["store.partition.fast.path"].name == "store.partition.fast.path"
    assert "store.partition.fast.path" not in list(known)
    assert known.get("store.partition.fast") is None
    assert [each.name for each in known.set_too(["store.partition.fast.path", "service.imap.port"])] == [
        "store.partition.fast.path"
    ]
