"""Fields made from settings, and what is taken of a form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nmsd.config import kinds
from nmsd.config.file import END_LINE, FIRST_LINE
from nmsd.config.load import Loaded, read
from nmsd.config.problem import Problem
from nmsd.config.setting import Section, Setting
from nmsd.console.forms import make_field, take_form, with_problems
from nmsd.console.openmetrics import render

NUMBER = Setting("test.form.number", kinds.integer(-1, 100, "bits"), 5, "A number.", label="The number")
SWITCH = Setting("test.form.switch", kinds.boolean(), True, "On or off.", reload="worker")
CHOICE = Setting("test.form.choice", kinds.choice("small", "large"), "small", "Which.", reload="restart")
SECRET = Setting("test.form.secret", kinds.text(), "", "A password.", secret=True)
WORDS = Setting("test.form.words", kinds.words(), (), "Some words.")
ALL = (NUMBER, SWITCH, CHOICE, SECRET, WORDS)


def load(directory: Path, *lines: str, environ: Mapping[str, str] | None = None) -> Loaded:
    (directory / "etc").mkdir()
    text = "\n".join((FIRST_LINE, *lines, END_LINE, ""))
    (directory / "etc/nmsd.conf").write_text(text)
    return read(str(directory), [Section("Form", ALL)], environ=environ or {})


def test_a_field_has_what_its_setting_declares(tmp_path: Path) -> None:
    loaded = load(tmp_path, "test.form.number = 7")
    number, switch, choice, _, words = (make_field(setting, loaded) for setting in ALL)
    assert (number.label, number.text, number.default, number.low, number.high) == ("The number", "7", "5", "-1", "100")
    assert number.effect == "when saved"
    assert (switch.label, switch.text, switch.choices) == ("test.form.switch", "yes", ("yes", "no"))
    assert switch.effect == "when saved, for new sessions"
    assert (choice.text, choice.choices) == ("small", ("small", "large"))
    assert choice.effect == "at the next restart of the server"
    assert (words.text, words.low, words.choices) == ("", "", ())


def test_only_what_differs_is_a_change_however_it_is_written(tmp_path: Path) -> None:
    loaded = load(tmp_path, "test.form.words = one, two")
    typed = {
        "test.form.number": " 5 ",
        "test.form.switch": "on",
        "test.form.words": "one,two",
        "test.form.choice": "LARGE",
    }
    changes, fields = take_form(ALL, loaded, typed)
    assert changes == {"test.form.choice": "large"}
    assert not any(field.error for field in fields)


def test_a_secret_is_never_shown_and_an_empty_field_leaves_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, "test.form.secret = hush")
    assert "hush" not in repr(make_field(SECRET, loaded))
    assert take_form([SECRET], loaded, {"test.form.secret": ""})[0] == {}
    changes, [field] = take_form([SECRET], loaded, {"test.form.secret": "new"})
    assert changes == {"test.form.secret": "new"}
    assert "new" not in repr(field)


def test_what_the_environment_sets_is_told_and_not_taken_from_a_form(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"NMSD_TEST_FORM_NUMBER": "9"})
    assert make_field(NUMBER, loaded).fixed == "environment"
    changes, [field] = take_form([NUMBER], loaded, {"test.form.number": "10"})
    assert changes == {}
    assert field.text == "9"


@pytest.mark.parametrize("typed", ["-2", "101", "x", "1\n2"])
def test_a_wrong_value_keeps_what_was_typed_and_says_what_is_allowed(tmp_path: Path, typed: str) -> None:
    changes, [field] = take_form([NUMBER], load(tmp_path), {"test.form.number": typed})
    assert changes == {}
    assert field.text == typed
    assert "a whole number from -1 to 100 (bits)" in field.error


def test_problems_stand_beside_their_fields_and_others_apart(tmp_path: Path) -> None:
    fields = [make_field(NUMBER, load(tmp_path))]
    mine, other = Problem("is odd", "make it even", name=NUMBER.name), Problem("is away", "call it", name="test.other")
    [field], rest = with_problems(fields, [mine, other])
    assert field.error == "is odd; make it even"
    assert rest == [other]


def test_labels_of_metrics_are_escaped() -> None:
    status = {"version": 'a"b\\c\nd', "started": 1.5, "services": []}
    text = render(status, [])
    assert 'nmsd_build_info{version="a\\"b\\\\c\\nd"} 1\n' in text
    assert text.endswith("# EOF\n")
