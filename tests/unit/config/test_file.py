"""The file: what is wrong with it is told with its line, and an edit changes one line only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config import kinds
from nmsd.config.file import edit_lines, quote, read_file, replace_file, spec_check, unquote
from nmsd.config.render import sample_file
from nmsd.config.setting import Section, Setting

PORT = Setting("service.imap.port", kinds.port(), 143, "A port. Help.")
BANNER = Setting("service.imap.banner", kinds.text(), "%h (%p), ready", "A text.")
LEVEL = Setting("log.level", kinds.choice("Low", "High"), "Low", "A word.")
LISTEN = Setting("service.listen", kinds.words(), ("::", "0.0.0.0"), "Words.")
SECRET = Setting("local.secret", kinds.integer(1, 9), 1, "A secret.", secret=True)
SECTIONS = (Section("First", (PORT, BANNER)), Section("Second", (LEVEL, LISTEN, SECRET)))


def told(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "nmsd.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(problem).replace(str(path), "F") for problem in read_file(str(path), SECTIONS).problems]


def texts(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "nmsd.conf"
    path.write_text(text)
    found = read_file(str(path), SECTIONS)
    assert not found.problems
    return found.texts


def test_values_are_read_with_comments_quotes_and_commas(tmp_path: Path) -> None:
    text = """# comment
service.imap.port = 1143   # why
 service.imap.banner="hello # you, there"
log.level = HIGH
service.listen = ::1, 127.0.0.1
"""
    assert texts(tmp_path, text) == {
        "service.imap.port": "1143",
        "service.imap.banner": "hello # you, there",
        "log.level": "HIGH",
        "service.listen": "::1, 127.0.0.1",
    }


def test_an_empty_value_is_an_empty_text(tmp_path: Path) -> None:
    assert texts(tmp_path, "service.imap.banner =\n") == {"service.imap.banner": ""}


def test_a_percent_sign_is_not_interpolated(tmp_path: Path) -> None:
    assert texts(tmp_path, "service.imap.banner = %(x)s $y %h\n") == {"service.imap.banner": "%(x)s $y %h"}


def test_a_wrong_value_names_file_line_value_range_and_mend(tmp_path: Path) -> None:
    expected = (
        "F:2: service.imap.port = 70000: above what is allowed; allowed: a whole number from 1 to 65535;"
        " correct it, or remove it for the default 143"
    )
    assert told(tmp_path, "\nservice.imap.port = 70000\n") == [expected]


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    (line,) = told(tmp_path, "local.secret = 12345\n")
    assert "12345" not in line
    assert "(secret)" in line


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    assert told(tmp_path, "service.imap.prot = 1\n") == [
        "F:1: service.imap.prot: there is no such setting; did you mean service.imap.port?"
    ]
    (line,) = told(tmp_path, "xyzzy = 1\n")
    assert "`nmsd config list`" in line


def test_a_name_set_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    assert told(tmp_path, "log.level = Low\n\nlog.level = High\n") == [
        "F:3: log.level: is set twice, first on line 1; keep one of the two"
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("service.imap.port", "not a setting: service.imap.port"),
        ("= 3", "not a setting"),
        ('service.imap.banner = "open', "not a value"),
        ('service.imap.banner = "a" b', "not a value"),
        ("service.imap.banner = '''open", "not a value"),
    ],
)
def test_a_line_that_cannot_be_read_is_told(tmp_path: Path, line: str, what: str) -> None:
    first, *_ = told(tmp_path, f"log.level = Low\n{line}\n")
    assert first.startswith("F:2: ")
    assert "not a" in first or what in first


def test_sections_are_refused(tmp_path: Path) -> None:
    (line,) = told(tmp_path, "[imap]\nport = 3\n")
    assert line.startswith("F:1: [imap] begins a section")


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    lines = told(tmp_path, "foo\nservice.imap.port = 0\nbar = 1\nlog.level = x\nlog.level = y\n[s]\n")
    assert sorted(line.split(": ")[0] for line in lines) == ["F:1", "F:2", "F:3", "F:4", "F:5", "F:6"]


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    (problem,) = read_file(str(tmp_path / "none"), SECTIONS).problems
    assert "`nmsd init DIR`" in str(problem)
    assert told(tmp_path, b"log.level = Low\nx = \xff\n")[0] == "F:2: is not UTF-8 text; save it as UTF-8"
    assert "NUL bytes" in told(tmp_path, b"log.level = Low\n\0\0\0\0")[0]


def test_a_sample_file_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    whole = sample_file(SECTIONS, {"service.imap.port": "1143", "log.level": "High"})
    assert told(tmp_path, whole) == []
    first_line = whole.index("\n") + 1
    last = whole.rindex("# End")
    for size in range(first_line, last + len("# End of nmsd.con")):
        assert told(tmp_path, whole[:size]), size


def test_a_file_of_ones_own_cut_within_a_line_is_noticed(tmp_path: Path) -> None:
    assert "ends within a line" in told(tmp_path, "service.imap.port = 11")[0]


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs", "Cc", "Zl", "Zp"])))
def test_a_quoted_value_is_read_back(text: str) -> None:
    try:
        quoted = quote(text)
    except ValueError:
        return
    if quoted[:3] not in ("'''", '"""'):
        assert unquote(quoted) == text


def test_an_edit_replaces_the_value_and_keeps_everything_else() -> None:
    lines = ["# a", "service.imap.port = 1  # old", "", "log.level = Low"]
    assert edit_lines(lines, "service.imap.port", "2") == ["# a", "service.imap.port = 2", "", "log.level = Low"]
    assert edit_lines(lines, "service.imap.port", None) == ["# a", "", "log.level = Low"]


def test_a_new_value_goes_beneath_its_sample() -> None:
    lines = sample_file(SECTIONS).splitlines()
    edited = edit_lines(lines, "log.level", "High")
    at = edited.index("log.level = High")
    assert edited[at - 1] == "# log.level = Low"
    assert edited[:at] + edited[at + 1 :] == lines


def test_a_new_value_without_sample_goes_to_the_end() -> None:
    assert edit_lines(["a = 1"], "log.level", "High") == ["a = 1", "log.level = High"]
    assert edit_lines([], "log.level", "High") == ["log.level = High"]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o640)
    replace_file(str(path), b"new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["f"]


def test_checks_carry_their_defaults() -> None:
    assert spec_check(PORT) == 'integer(min=1, max=65535, default="143")'
    assert spec_check(BANNER) == 'string(default="%h (%p), ready")'
    assert spec_check(LEVEL) == 'option("Low", "High", default="Low")'
