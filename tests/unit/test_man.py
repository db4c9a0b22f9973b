"""The manual that tools/man writes: nothing is left out of it, and it is well-formed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nmsd.cli.main import COMMANDS, HIDDEN, cli
from nmsd.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("manual")
    subprocess.run([sys.executable, str(ROOT / "tools/man"), str(place)], check=True)
    return place


def source(path: Path) -> str:
    """A page without what makes it roff."""
    text = re.sub(r"\\f[BIR]|\\:", "", path.read_text(encoding="ascii"))
    for escaped, sign in {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\(ti": "~", "\\(ha": "^", "\\e": "\\"}.items():
        text = text.replace(escaped, sign)
    return text


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, click.Context(child, info_name=name, parent=context))


def test_there_is_a_page_for_each_subcommand(manual: Path) -> None:
    names = {f"man1/nmsd-{name}.1" for name in COMMANDS if name not in HIDDEN}
    assert {str(path.relative_to(manual)) for path in manual.glob("*/*")} == names | {"man1/nmsd.1", "man5/nmsd.conf.5"}
    text = source(manual / "man1/nmsd.1")
    for name in COMMANDS:
        assert (f"nmsd-{name}(1)" in text) == (name not in HIDDEN)


def test_a_page_has_all_subcommands_and_options(manual: Path) -> None:
    top = click.Context(cli, info_name="nmsd")
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None
        text = source(manual / f"man1/nmsd-{name}.1")
        for each, context in walk(command, click.Context(command, info_name=name, parent=top)):
            assert " [-I DIR] ".join(context.command_path.split(" ", 1)) in text
            assert each.help is not None
            assert each.help.split()[0] in text
            for parameter in each.params:
                assert isinstance(parameter, click.Argument) or all(option in text for option in parameter.opts)


def test_every_setting_is_in_the_page_of_the_configuration(manual: Path) -> None:
    text = source(manual / "man5/nmsd.conf.5")
    for section in SECTIONS:
        assert f".SS {section.title}\n" in text
        for setting in section.settings:
            assert f".TP\n{setting.name}\n" in text
            assert f"Default: {setting.kind.write(setting.default) or 'empty'}." in text


@pytest.mark.needs("groff")
def test_every_page_is_rendered_without_a_warning(manual: Path) -> None:
    pages = [str(path) for path in sorted(manual.glob("*/*"))]
    result = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", *pages], capture_output=True, text=True)
    assert result.stderr == ""
    assert not re.search(r"\\[f(\[&]", result.stdout)
    for sentence in ("nmsd -I DIR start starts it", "NMSD_SERVICE_IMAP_PORT", "--password-stdin"):
        assert sentence in result.stdout
