"""docs/services.md names settings and tests that there are, and all settings of the services."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nmsd.config.file import known_settings
from nmsd.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/services.md").read_text(encoding="utf-8")

SETTINGS = set(known_settings(SECTIONS))
NAMED = set(re.findall(r"`((?:service|local|encryption|store)\.[a-z.]*[a-z])`", PAGE))
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))
IMAGES = {f"images/{service}-{tab}.png" for service in ("imap", "pop") for tab in ("system", "access", "ssl")}

# Not of the guide's chapter: they are told of where certificates, and what POP3 clients see, are.
ELSEWHERE = {"requirecertificate", "certificatepreauth", "markseen", "utf8headers", "maxline", "maxbadcommands"}


def test_every_setting_that_the_page_names_is_there() -> None:
    assert set() == NAMED - SETTINGS


def test_the_page_names_every_setting_of_both_services() -> None:
    own = {name for name in SETTINGS if name.startswith(("service.imap.", "service.pop."))}
    missing = {name for name in own - NAMED if name.rpartition(".")[2] not in ELSEWHERE}
    assert missing == set()


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_every_test_that_the_page_names_is_there(path: str, name: str) -> None:
    folder = ROOT if path.startswith("tests/") else ROOT / "tests/chapter"
    assert f"def {name}(" in (folder / path).read_text(encoding="utf-8")


def test_every_row_of_a_setting_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "`service." in line]
    assert len(rows) > 15
    assert [row for row in rows if "::test_" not in row] == []


def test_the_pictures_are_those_of_the_consoles_tabs() -> None:
    assert set(re.findall(r"\]\(([^)]+\.png)\)", PAGE)) == IMAGES
    assert [path for path in IMAGES if not (ROOT / "docs" / path).is_file()] == []
