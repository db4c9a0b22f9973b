"""What is generated from the settings is up to date, and every setting explains itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmsd.cli.main import COMMANDS
from nmsd.config.file import known_settings
from nmsd.config.render import generated
from nmsd.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [setting for section in SECTIONS for setting in section.settings]


@pytest.mark.parametrize("name", sorted(generated(SECTIONS)))
def test_a_generated_file_is_what_tools_render_writes(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == generated(SECTIONS)[name], "run tools/render"


def test_no_two_settings_share_a_name() -> None:
    assert len(known_settings(SECTIONS)) == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_tells_why_one_changes_it_and_has_a_default_that_is_allowed(setting) -> None:
    assert setting.help.rstrip().endswith(".")
    assert len(setting.help) > 20
    assert setting.kind.parse(setting.kind.write(setting.default)) == setting.default
    assert setting.name == setting.name.lower()
    assert setting.name.count(".") >= 1


def test_every_subcommand_says_what_it_does() -> None:
    for name, (where, told) in COMMANDS.items():
        assert where.startswith("nmsd.cli."), name
        assert told.endswith(".") or name == "worker"
