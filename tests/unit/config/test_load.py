"""Values come from the strongest source that sets them, and everything wrong in any source is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nmsd.config import kinds
from nmsd.config.load import Loaded, load, read, read_snapshot, variable_name, write_snapshot
from nmsd.config.problem import ConfigError
from nmsd.config.setting import Config, Section, Setting

PORT = Setting("service.imap.port", kinds.port(), 143, "A port.")
OTHER = Setting("service.pop.port", kinds.port(), 110, "A port.")
FOLDER = Setting("store.path", kinds.path(), "store", "A path.")


def differ(config: Config) -> Iterator[tuple[str, str]]:
    if config[PORT] == config[OTHER]:
        yield OTHER.name, "is the same port; give each its own"


SECTIONS = (Section("Ports", (PORT, OTHER), differ), Section("Store", (FOLDER,)))


def loaded(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, *overrides: str) -> Loaded:
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/nmsd.conf").write_text(text)
    return read(str(tmp_path), SECTIONS, environ=environ or {}, overrides=overrides)


def test_what_nothing_sets_has_its_default(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.problems == ()
    assert found.config[PORT] == 143
    assert not found.config.is_set(PORT)
    assert found.origins == {}


def test_the_command_line_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    file, environ = "service.imap.port = 1\n", {"NMSD_SERVICE_IMAP_PORT": "2"}
    assert loaded(tmp_path, file).config[PORT] == 1
    assert loaded(tmp_path, file, environ).config[PORT] == 2
    found = loaded(tmp_path, file, environ, "service.imap.port=3")
    assert found.config[PORT] == 3
    assert str(found.origins[PORT.name]) == "command line"
    assert str(loaded(tmp_path, "\n" + file).origins[PORT.name]) == f"{tmp_path}/etc/nmsd.conf:2"


def test_wrong_values_of_every_source_are_told_at_once(tmp_path: Path) -> None:
    environ = {"NMSD_SERVICE_IMAP_PORT": "0", "NMSD_SERVICE_IMAP_PROT": "1", "NMSD_INSTANCE": "x", "HOME": "/"}
    found = loaded(tmp_path, "service.imap.port = x\n", environ, "service.pop.port=99999", "nothing", "a.b=c")
    told = [str(problem) for problem in found.problems]
    assert [line.partition(":")[0] for line in told[1:]] == [
        "environment NMSD_SERVICE_IMAP_PORT",
        "environment",
        "command line",
        "command line",
        "command line",
    ]
    assert "did you mean NMSD_SERVICE_IMAP_PORT?" in told[2]
    assert "has no value; write -o name=value" in told[4]


def test_values_that_do_not_go_together_are_told_with_their_line(tmp_path: Path) -> None:
    (problem,) = loaded(tmp_path, "service.pop.port = 143\n").problems
    assert str(problem).startswith(f"{tmp_path}/etc/nmsd.conf:1: service.pop.port = 143: is the same port; allowed:")
    assert problem.mend == "give each its own"


def test_load_raises_what_read_tells(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nmsd.conf").write_text("service.imap.port = 0\nx = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path), SECTIONS, environ={})
    assert len(caught.value.problems) == 2
    assert len(str(caught.value).splitlines()) == 2


def test_paths_count_from_the_instance(tmp_path: Path) -> None:
    config = loaded(tmp_path).config
    assert config.path(FOLDER) == str(tmp_path / "store")
    assert loaded(tmp_path, "store.path = /mail\n").config.path(FOLDER) == "/mail"


def test_a_snapshot_gives_workers_the_values_in_force(tmp_path: Path) -> None:
    found = loaded(tmp_path, "store.path = a\n", {"NMSD_SERVICE_IMAP_PORT": "2"})
    path = tmp_path / "snapshot"
    write_snapshot(str(path), found, SECTIONS)
    assert path.stat().st_mode & 0o777 == 0o600
    config = read_snapshot(str(path), SECTIONS)
    assert (config[PORT], config[OTHER], config[FOLDER], config.instance) == (2, 110, "a", str(tmp_path))
    assert not config.is_set(OTHER)


def test_a_config_takes_newer_values(tmp_path: Path) -> None:
    config = loaded(tmp_path).config
    config.adopt(loaded(tmp_path, "service.imap.port = 9\n").config)
    assert config[PORT] == 9


def test_a_settings_variable_is_its_name_in_capitals() -> None:
    assert variable_name(PORT) == "NMSD_SERVICE_IMAP_PORT"
