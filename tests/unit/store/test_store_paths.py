"""Account names as file names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.errors import InvalidName
from nmsd.store.sqlite.paths import database_path, database_paths, make_directory, name_of, stem

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@given(NAMES)
def test_a_stem_is_a_plain_file_name(name: str) -> None:
    made = stem(name)
    assert len(made) <= 200
    assert not made.startswith(".")
    assert made.isascii()
    assert not set(made) & set('/\\\0 \n:*?"<>|')


@given(NAMES, NAMES)
def test_two_names_never_share_a_file_whatever_the_case(first: str, second: str) -> None:
    assert (stem(first).lower() == stem(second).lower()) == (first == second)


@given(NAMES)
def test_the_name_can_be_read_back_unless_it_was_too_long(name: str) -> None:
    back = name_of(stem(name))
    assert back == name or (back is None and len(name.encode()) > 60)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice@example.com", "alice@example.com"),
        ("a+b_c-d=e.f", "a+b_c-d=e.f"),
        ("../x", "%2E.%2Fx"),
        ("A%", "%41%25"),
        ("é", "%C3%A9"),
    ],
)
def test_ordinary_names_stay_readable(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["", "half\udc00"])
def test_names_that_cannot_be_accounts(name: str) -> None:
    with pytest.raises(InvalidName):
        stem(name)


def test_a_stem_that_nobody_made_is_refused() -> None:
    for strange in ("%zz", "%F", "é", "%FF"):
        with pytest.raises(ValueError):
            name_of(strange)


def test_databases_are_listed_and_nothing_else(tmp_path: Path) -> None:
    wanted = set()
    for name in ("alice@example.com", "bob", ".hidden"):
        path = database_path(tmp_path, name)
        make_directory(path.parent)
        path.touch()
        path.with_suffix(".lock").touch()
        (path.parent / ".lock").touch()
        (path.parent / f".{path.name}.new").touch()
        wanted.add(path)
    (tmp_path / "stray.db").touch()
    (tmp_path / "notes").mkdir()
    assert set(database_paths(tmp_path)) == wanted
    assert list(database_paths(tmp_path / "missing")) == []


def test_directories_are_for_this_user_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        make_directory(tmp_path / "a" / "b")
        make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert [(tmp_path / part).stat().st_mode & 0o777 for part in ("a", "a/b")] == [0o700, 0o700]
