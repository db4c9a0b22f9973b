"""When a log's file is renamed and when its predecessors are deleted: each setting at its edge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nmsd.config.setting import Config
from nmsd.log import LOGS, SECTION, EventLog, Limits, limits

START = 1_000_000_000.0
LINE = 1000


class Stand:
    """A log in a directory, with a clock and a disk."""

    def __init__(self, place: Path, **values: Any) -> None:
        self.now = START
        self.free = 1 << 40
        self._place = place
        settings = Limits(**values)
        self.log = EventLog(
            str(place / "log"), "imap", settings, host="h", clock=lambda: self.now, free=lambda path: self.free
        )
        self.log("Error", "General", "")
        self._head = (place / "log").stat().st_size
        (place / "log").write_text("")

    def line(self, size: int = LINE) -> None:
        """Writes an event of so many bytes."""
        self.log("Error", "General", "x" * (size - self._head))

    def sizes(self) -> list[int]:
        """Of the files, the present one first."""
        names = ["log", *(f"log.{number}" for number in range(1, 20))]
        return [(self._place / name).stat().st_size for name in names if (self._place / name).exists()]

    def age(self, number: int, seconds: float) -> None:
        """Has the last event of a renamed file been so long ago."""
        os.utime(self._place / f"log.{number}", (self.now - seconds, self.now - seconds))


def test_a_file_may_be_full_to_the_byte(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4 * LINE)
    for _ in range(4):
        stand.line()
    assert stand.sizes() == [4 * LINE]
    stand.line()
    assert stand.sizes() == [LINE, 4 * LINE]


def test_a_line_longer_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4096)
    for _ in range(2):
        stand.line(10_000)
    assert stand.sizes() == [10_000, 10_000]


def test_a_file_is_renamed_when_it_is_as_old_as_the_rollover_time(tmp_path: Path) -> None:
    stand = Stand(tmp_path, rollover_s=60)
    stand.line()
    stand.now += 59.5
    stand.line()
    assert stand.sizes() == [2 * LINE]
    stand.now += 0.5
    stand.line()
    assert stand.sizes() == [LINE, 2 * LINE]
    stand.now += 59.5
    stand.line()
    assert stand.sizes() == [2 * LINE, 2 * LINE], "the time counts from the new file's first event"


def test_without_a_rollover_time_age_does_not_matter(tmp_path: Path) -> None:
    stand = Stand(tmp_path, rollover_s=0)
    stand.line()
    stand.now += 1e9
    stand.line()
    assert stand.sizes() == [2 * LINE]


def test_the_age_is_that_of_the_file_not_of_the_process(tmp_path: Path) -> None:
    first = Stand(tmp_path, rollover_s=60)
    first.line()
    first.now += 30
    second = EventLog(str(tmp_path / "log"), "imap", Limits(rollover_s=60), clock=lambda: first.now)
    second("Error", "General", "still the first file")
    assert len(first.sizes()) == 1
    first.now += 30
    second("Error", "General", "the next one")
    assert len(first.sizes()) == 2


def test_an_empty_file_is_not_renamed_however_old(tmp_path: Path) -> None:
    stand = Stand(tmp_path, rollover_s=60)
    stand.now += 600
    stand.line()
    assert stand.sizes() == [LINE]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_so_many_files_are_kept_the_present_one_among_them(tmp_path: Path, most: int) -> None:
    stand = Stand(tmp_path, max_size=4096, max_files=most)
    for _ in range(30):
        stand.line()
    assert len(stand.sizes()) == most


def test_a_lower_number_of_files_deletes_those_above_it(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4096, max_files=5)
    for _ in range(30):
        stand.line()
    stand.log.adjust(Limits(max_size=4096, max_files=2))
    for _ in range(4):
        stand.line()
    assert len(stand.sizes()) == 2


def test_a_renamed_file_is_deleted_when_its_last_event_is_as_old_as_the_expiry_time(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4 * LINE, expiry_s=3600)
    for _ in range(9):
        stand.line()
    assert stand.sizes() == [LINE, 4 * LINE, 4 * LINE]
    stand.age(1, 3599)
    stand.age(2, 3600)
    for _ in range(4):
        stand.line()
    # What was log.2 is gone, what was log.1 is log.2 now.
    assert stand.sizes() == [LINE, 4 * LINE, 4 * LINE]
    assert (tmp_path / "log.2").stat().st_mtime == START - 3599


def test_without_an_expiry_time_age_deletes_nothing(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4 * LINE, expiry_s=0)
    for _ in range(5):
        stand.line()
    stand.age(1, 1e9)
    for _ in range(4):
        stand.line()
    assert len(stand.sizes()) == 3


def test_all_files_together_stay_below_the_maximum_of_all(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4 * LINE, max_total=12 * LINE)
    for _ in range(40):
        stand.line()
        assert sum(stand.sizes()) <= 12 * LINE
    assert len(stand.sizes()) == 3
    exact = Stand(tmp_path, max_size=4 * LINE, max_total=12 * LINE - 1)
    for _ in range(9):
        exact.line()
    assert len(exact.sizes()) == 2


def test_where_the_disk_gets_full_the_oldest_files_go(tmp_path: Path) -> None:
    stand = Stand(tmp_path, max_size=4 * LINE, min_free=1000)
    stand.free = 1000
    for _ in range(13):
        stand.line()
    assert len(stand.sizes()) == 4
    stand.free = 999
    for _ in range(4):
        stand.line()
    assert stand.sizes() == [LINE]


def test_every_log_has_every_setting_and_its_values_are_taken() -> None:
    values = {
        "loglevel": "Debug", "maxlogfilesize": 5000, "maxlogfiles": 3, "maxlogsize": 6000, "rollovertime": 7,
        "expirytime": 8, "minfreediskspace": 9,
    }  # fmt: skip
    for name in LOGS:
        config = Config({f"logfile.{name}.{each}": value for each, value in values.items()})
        assert limits(config, name) == Limits("Debug", False, 5000, 3, 6000, 7, 8, 9)
    assert limits(Config({"logfile.nmsd.maxlogfiles": 4}), "console").max_files == 4


def test_a_total_below_the_size_of_one_file_is_told() -> None:
    def problems(total: int) -> list[str]:
        config = Config({"logfile.pop.maxlogfilesize": 8192, "logfile.pop.maxlogsize": total})
        return [name for name, _ in SECTION.verify(config)]

    assert problems(8191) == ["logfile.pop.maxlogsize"]
    assert problems(8192) == []
