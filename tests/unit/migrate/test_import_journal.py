"""The journal of an import: nothing is imported twice, whenever a run was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmsd.migrate.journal import Intent, Journal, is_run, journal_path
from nmsd.model.errors import NmsdError

FIRST = Intent("INBOX", 1, 5, (10, 20), ("a", "b"))
SECOND = Intent("INBOX", 1, 7, (30,), ("c",))


def never(intent: Intent) -> bool:
    raise AssertionError("nothing was left open")


def finished(path: Path) -> None:
    journal = Journal(str(path), never)
    journal.begin(FIRST)
    journal.commit(FIRST)
    journal.close()


def test_what_was_done_is_known_in_this_run_and_the_next(tmp_path: Path) -> None:
    path = tmp_path / "run" / "j"
    journal = Journal(str(path), never)
    journal.begin(FIRST)
    assert not journal.has("a")
    journal.commit(FIRST)
    journal.begin(SECOND)
    journal.give_up()
    assert (journal.has("a"), journal.has("c")) == (True, False)
    journal.close()
    again = Journal(str(path), never)
    assert (again.has("a"), again.has("b"), again.has("c")) == (True, True, False)
    again.close()


@pytest.mark.parametrize("there", [True, False])
def test_a_batch_left_open_is_settled_by_a_look_at_the_mailbox(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "j"
    finished(path)
    journal = Journal(str(path), never)
    journal.begin(SECOND)
    journal.close()
    asked: list[Intent] = []

    def was_done(intent: Intent) -> bool:
        asked.append(intent)
        return there

    for _ in range(2):
        again = Journal(str(path), was_done)
        assert (again.has("a"), again.has("c")) == (True, there)
        again.close()
    assert asked == [SECOND]


def test_a_journal_cut_anywhere_knows_what_was_surely_done(tmp_path: Path) -> None:
    path = tmp_path / "j"
    finished(path)
    journal = Journal(str(path), never)
    journal.begin(SECOND)
    journal.commit(SECOND)
    journal.close()
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        cut = Journal(str(path), lambda intent: True)
        # An intent that is whole counts as done here; one that is not was never followed by an append.
        lines = whole[:end].count(b"\n")
        assert (cut.has("a"), cut.has("c")) == (lines >= 1, lines >= 3)
        cut.begin(Intent("x", 1, 1, (1,), ("z",)))
        cut.close()
        mended = Journal(str(path), lambda intent: True)
        assert mended.has("z")
        mended.close()


def test_two_imports_of_one_source_at_once_are_refused(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "j"), never)
    with pytest.raises(NmsdError, match="being imported"):
        Journal(str(tmp_path / "j"), never)
    journal.close()
    Journal(str(tmp_path / "j"), never).close()


def test_each_account_and_source_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    paths = [journal_path("/i", account, source) for account in "ab" for source in (str(tmp_path), "/x")]
    assert len(set(paths)) == 4
    assert journal_path("/i", "a", str(tmp_path / "link")) == paths[0]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], False),
        ([(5, 10), (6, 20)], True),
        ([(4, 1), (5, 10), (6, 20), (7, 1)], True),
        ([(5, 10), (7, 20)], False),
        ([(5, 20), (6, 10)], False),
        ([(5, 10)], False),
    ],
)
def test_a_batch_is_there_when_its_sizes_follow_each_other(there: list[tuple[int, int]], expected: bool) -> None:
    assert is_run((10, 20), there) == expected
