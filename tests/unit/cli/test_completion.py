"""A real bash that has read the completion script."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# What readline does at a tab: the function that is registered for the command, with the words before the cursor.
PRESS_TAB = """
eval "$(nmsd completion bash)"
[[ $(complete -p nmsd) =~ -F\\ ([^ ]+) ]]
COMP_WORDS=(nmsd "$@")
COMP_CWORD=$#
"${BASH_REMATCH[1]}" nmsd "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def press_tab(tmp_path: Path) -> Callable[..., list[str]]:
    command = tmp_path / "nmsd"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m nmsd "$@"\n')
    command.chmod(0o755)

    def press(*words: str) -> list[str]:
        bash = ["bash", "--norc", "--noprofile", "-c", PRESS_TAB, "bash", *words]
        environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        result = subprocess.run(bash, capture_output=True, text=True, check=True, env=environ)
        assert result.stderr == ""
        return result.stdout.split()

    return press


@pytest.mark.needs("bash")
def test_bash_completes_commands_their_subcommands_options_and_settings(press_tab: Callable[..., list[str]]) -> None:
    assert {"config", "completion"} <= set(press_tab("co"))
    assert all(word.startswith("co") for word in press_tab("co"))
    assert press_tab("config", "un") == ["unset"]
    assert press_tab("status", "--j") == ["--json"]
    assert press_tab("config", "get", "service.imap.por") == ["service.imap.port"]
    assert press_tab("wor") == []  # not for people
