"""Editing the embedded directory's file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmsd.directory.ldif_edit import edit_ldif, people_dn, user_entry
from nmsd.directory.ldif_file import LdifError, parse_ldif

FILE = "# kept\ndn: dc=example,dc=com\ndc: example\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory.ldif"
    path.write_text(FILE)
    path.chmod(0o640)
    return path


def test_an_edit_replaces_the_file_and_keeps_its_mode(path: Path) -> None:
    before = path.stat().st_ino
    with edit_ldif(str(path)) as file:
        file.add("cn=a", [("cn", "a")])
    assert path.read_text() == FILE + "\ndn: cn=a\ncn: a\n"
    assert path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(path.parent)) == ["directory.ldif", "directory.ldif.lock"]


def test_an_edit_that_fails_changes_nothing(path: Path) -> None:
    def edit() -> None:
        with edit_ldif(str(path)) as file:
            file.add("cn=a", [("cn", "a")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        edit()
    assert path.read_text() == FILE


def test_a_broken_file_is_not_edited(path: Path) -> None:
    path.write_text("nonsense")
    with pytest.raises(LdifError), edit_ldif(str(path)):
        pass
    assert path.read_text() == "nonsense"


def test_edits_at_once_lose_nothing(path: Path) -> None:
    program = (
        "import sys\n"
        "from nmsd.directory.ldif_edit import edit_ldif\n"
        "for number in range(20):\n"
        "    with edit_ldif(sys.argv[1]) as file:\n"
        "        file.add(f'cn={sys.argv[2]}{number}', [('cn', 'x')])\n"
    )
    editors = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "abc"]
    assert [editor.wait(60) for editor in editors] == [0, 0, 0]
    assert len(list(parse_ldif(path.read_bytes()).entries())) == 61


def test_a_new_user_goes_below_the_files_people(path: Path) -> None:
    file = parse_ldif(path.read_bytes())
    assert people_dn(file, "example.com") == "ou=People,dc=example,dc=com"
    file.add("ou=people,o=Elsewhere", [("ou", "people")])
    assert people_dn(file, "example.com") == "ou=people,o=Elsewhere"


def test_a_login_name_is_escaped_in_the_dn() -> None:
    dn, _ = user_entry("a,b+c", "ou=People", name="", mail="x@y", aliases=(), passwords=("p",), quota=None)
    assert dn == "uid=a\\,b\\+c,ou=People"
