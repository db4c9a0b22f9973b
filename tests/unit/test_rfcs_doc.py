"""The documents name what the code has: RFCs, IMAP capabilities, subcommands."""

from __future__ import annotations

import re
from pathlib import Path

import click

from nmsd.cli.main import cli
from nmsd.imap.tables import TABLES

ROOT = Path(__file__).resolve().parents[2]
RFCS = (ROOT / "docs/rfcs.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/administration.md").read_text(encoding="utf-8")

# "RFC 3501", and lists such as "RFC 2045, 2183 and 2231"; a line may end between.
_NAMED = re.compile(r"RFCs?[\s#]+(\d{3,5}(?:(?:,| and)[\s#]+\d{3,5}\b)*)")


def named() -> dict[str, str]:
    """The RFCs that the code names, each with a file that does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "nmsd").rglob("*.py")):
        for numbers in _NAMED.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"\d+", numbers):
                found.setdefault(number, str(path.relative_to(ROOT)))
    return found


def test_every_rfc_that_the_code_names_is_in_the_table() -> None:
    columns = [line.split("|")[1] for line in RFCS.splitlines() if line.startswith("|")]
    rows = {number for column in columns for number in re.findall(r"\d+", column)}
    missing = {number: path for number, path in named().items() if number not in rows}
    assert missing == {}


def test_every_file_that_the_table_names_is_there() -> None:
    paths = re.findall(r"`((?:cli|config|directory|imap|lmtp|migrate|mime|pop3|server|store|wire)/[\w/.]*)`", RFCS)
    assert [path for path in paths if not (ROOT / "nmsd" / path).exists()] == []


def test_every_capability_is_in_the_table() -> None:
    names = [name.decode() for extension in TABLES.extensions for name in extension.capabilities]
    assert [name for name in names if f"`{name}`" not in RFCS] == []


def test_every_subcommand_is_in_the_administrators_guide() -> None:
    names = cli.list_commands(click.Context(cli))
    assert names
    assert [name for name in names if not re.search(rf"\bnmsd {name}\b", GUIDE)] == []
