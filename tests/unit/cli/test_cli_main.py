"""The command as such: its help, its errors, what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nmsd.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"gevent", "configobj", "rich", "psutil", "OpenSSL", "cryptography", "sqlite3", "ldap3", "argon2"}


def nmsd(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="nmsd", env={"NMSD_INSTANCE": None, **environ})


def test_help_lists_every_command_but_the_hidden() -> None:
    result = nmsd("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert (f"  {name} " in result.output) == (name != "worker")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert nmsd(name, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("statsu",), 2, "nmsd: there is no command statsu; did you mean status?"),
        (("xyzzy",), 2, "nmsd: there is no command xyzzy; `nmsd --help` lists them"),
        (("status", "--fast"), 2, "nmsd: No such option '--fast'; see `nmsd status --help`"),
        (("config", "get"), 2, "nmsd: Missing argument 'NAME'; see `nmsd config get --help`"),
        (
            ("status",),
            1,
            "nmsd: which instance? give -I DIR or set NMSD_INSTANCE; `nmsd init DIR` makes one",
        ),
        (("-I", "/none", "status"), 1, "nmsd: /none is no instance: it has no etc/nmsd.conf; `nmsd init"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(arguments: tuple[str, ...], status: int, told: str) -> None:
    result = nmsd(*arguments)
    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr.startswith(told)
    assert result.stderr.count("\n") == 1


def test_an_unexpected_error_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "fail", ("tests.unit.cli.test_cli_main:fail", "Fails."))
    result = nmsd("fail")
    assert result.exit_code == 70
    assert result.stderr.startswith("nmsd: internal error, ValueError: ")
    assert result.stderr.count("\n") == 1


@click.command()
def fail() -> None:
    """Fails in a way that nobody thought of."""
    raise ValueError("of two\nlines")


def loaded_by(*arguments: str) -> set[str]:
    program = (
        "import sys, nmsd.cli.main as main\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *arguments]
    output = subprocess.run(command, capture_output=True, text=True, env=environ).stdout
    return set(output.rpartition("LOADED ")[2].split())


def test_help_and_status_load_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nmsd.conf").write_text("")
    assert loaded_by("--help") & HEAVY == set()
    assert loaded_by("-I", str(tmp_path), "status") & HEAVY == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    result = nmsd("completion", shell)
    assert result.exit_code == 0
    assert "_NMSD_COMPLETE" in result.stdout


def test_a_shell_completes_the_names_of_settings() -> None:
    result = nmsd(_NMSD_COMPLETE="bash_complete", COMP_WORDS="nmsd config get service.imap.p", COMP_CWORD="3")
    assert "plain,service.imap.port" in result.stdout.splitlines()
