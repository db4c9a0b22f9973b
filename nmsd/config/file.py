"""The file etc/nmsd.conf: read with the line of every value, and edited in place so that comments survive.

One setting a line, `name = value`; `#` begins a comment; a value with `#`, or with spaces at its ends, is quoted.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from configobj import ConfigObj, ConfigObjError, DuplicateError
from configobj.validate import ValidateError, Validator, VdtValueError, is_string

from nmsd.config.problem import Problem
from nmsd.config.setting import Section, Setting

FIRST_LINE: Final = '# nmsd.conf: the settings of one nmsd instance.  The line "# End of nmsd.conf" must stay.'
END_LINE: Final = "# End of nmsd.conf"

_ASSIGNMENT: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^\s='"#\[][^=]*?))\s*=""")


@dataclass
class FileValues:
    """What a file sets: text and line by name, and what is wrong with it."""

    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Known(dict[str, Setting[Any]]):
    """Settings by name: those that there always are, and when asked for by name, those of families."""

    def __init__(self, sections: Iterable[Section]) -> None:
        sections = tuple(sections)
        super().__init__({setting.name: setting for section in sections for setting in section.settings})
        self._families = tuple(family for section in sections for family in section.families)

    def __missing__(self, name: str) -> Setting[Any]:
        for family in self._families:
            own = family.member(name)
            if own:
                return family.setting(own, family.kind.parse(""))
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or any(family.member(str(name)) for family in self._families)

    def get(self, name: str, default: Any = None) -> Any:
        """The setting of this name, if there may be one."""
        try:
            return self[name]
        except KeyError:
            return default

    def set_too(self, names: Iterable[str]) -> list[Setting[Any]]:
        """Those of families among `names`, sorted."""
        return [self[name] for name in sorted(set(names)) if not super(Known, self).__contains__(name)]


def known_settings(sections: Iterable[Section]) -> Known:
    """Every setting by its name."""
    return Known(sections)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The mend for a name that does not exist."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else "`nmsd config list` shows the names there are"


def _any_case_option(value: str, *words: str) -> str:
    found = {word.lower(): word for word in words}.get(is_string(value).strip().lower())
    if found is None:
        raise VdtValueError(value)
    return found


def spec_lines(sections: Iterable[Section]) -> list[str]:
    """The settings in configobj's specification language, one line each."""
    return [f"{setting.name} = {spec_check(setting)}" for setting in known_settings(sections).values()]


def spec_check(setting: Setting[Any]) -> str:
    """One setting's check with its default, in configobj's specification language."""
    check = setting.kind.spec
    default = setting.kind.write(setting.default).replace('"', "'")
    head = check.removesuffix(")")
    joint = ", " if head != check else "("
    return f'{head}{joint}default="{default}")'


def read_file(path: str, sections: Sequence[Section]) -> FileValues:
    """Reads and checks a file: syntax, duplicates, unknown names, each value by itself; all is in `problems`."""
    found = FileValues()
    text = _read_text(path, found.problems)
    if text is None:
        return found
    lines = text.splitlines()
    found.problems += _find_cut(path, text, lines)
    for number, line in enumerate(lines, 1):
        match = _ASSIGNMENT.match(line)
        if match:
            found.lines.setdefault(next(group for group in match.groups() if group is not None), number)
    parsed = _parse(path, lines, sections, found)
    known = known_settings(sections)
    raw = {name: unquote(parsed[name]) for name in parsed.scalars}
    for section in parsed.sections:  # there should be none; whole names below one are checked all the same
        raw.update({name: unquote(parsed[section][name]) for name in parsed[section].scalars if "." in name})
    verdicts = parsed.validate(Validator({"option": _any_case_option}), preserve_errors=True)
    for name in parsed.sections:
        line_number = next((n for n, line in enumerate(lines, 1) if line.strip().startswith("[")), 0)
        mend = "write every setting as a line `name = value` with its whole dotted name"
        found.problems.append(Problem(f"[{name}] begins a section, and there are none here", mend, path, line_number))
    for name, value in raw.items():
        line_number = found.lines.get(name, 0)
        setting = known.get(name)
        if setting is None:
            mend = did_you_mean(name, known)
            found.problems.append(Problem("there is no such setting", mend, path, line_number, name))
            continue
        verdict = verdicts.get(name, True) if isinstance(verdicts, Mapping) else verdicts
        problem = check_value(setting, value, path, line_number)
        if problem is None and isinstance(verdict, ValidateError):
            problem = wrong_value(setting, value, str(verdict), path, line_number)
        if problem is None:
            found.texts[name] = value
        else:
            found.problems.append(problem)
    return found


def check_value(setting: Setting[Any], text: str, source: str, line: int = 0) -> Problem | None:
    """What is wrong with `text` as a setting's value, if anything."""
    try:
        setting.kind.parse(text)
    except ValueError as error:
        return wrong_value(setting, text, str(error), source, line)
    return None


def wrong_value(setting: Setting[Any], text: str, what: str, source: str, line: int = 0) -> Problem:
    """The problem of one wrong value.  A secret's value is not repeated."""
    default = setting.kind.write(setting.default)
    mend = "correct it, or remove it for the default" + (f" {default}" if default else "")
    shown = "(secret)" if setting.secret else text
    return Problem(what, mend, source, line, setting.name, shown, setting.kind.allowed)


def _read_text(path: str, problems: list[Problem]) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        mend = "`nmsd init DIR` makes an instance with one" if missing else "make it readable"
        problems.append(Problem(f"cannot be read ({error.strerror})", mend, path))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem("is not UTF-8 text", "save it as UTF-8", path, line))
        text = data.decode("utf-8", "replace")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        mend = "restore it from a backup; a crash or a full disk leaves such files"
        problems.append(Problem("has NUL bytes in it", mend, path, line))
        return None
    return text


def _find_cut(path: str, text: str, lines: list[str]) -> list[Problem]:
    stripped = [line.strip() for line in lines]
    mend = "restore it from a backup, or see that it is whole and "
    if stripped and stripped[0] == FIRST_LINE and END_LINE not in stripped:
        return [Problem("the file is cut off", mend + f"add the line `{END_LINE}`", path, len(lines))]
    if text and not text.endswith("\n"):
        return [Problem("the file ends within a line, it may be cut off", mend + "end the line", path, len(lines))]
    return []


def _parse(path: str, lines: list[str], sections: Sequence[Section], found: FileValues) -> Any:
    """The file as configobj reads it; lines that cannot be read become problems and count as blank."""
    spec = spec_lines(sections)
    try:
        return ConfigObj(list(lines), configspec=spec, interpolation=False, list_values=False)
    except ConfigObjError as error:
        good = list(lines)
        for each in error.errors:
            number = each.line_number or 0
            if isinstance(each, DuplicateError):
                match = _ASSIGNMENT.match(each.line)
                name = next((group for group in match.groups() if group), "") if match else each.line.strip()
                first = found.lines.get(name, 0)
                what = f"is set twice, first on line {first}" if first else "stands twice"
                found.problems.append(Problem(what, "keep one of the two", path, number, name))
            else:
                mend = "write `name = value`, with quotes around a value that has # or quotes in it"
                line = each.line.strip()
                what = f"not a setting: {line[:60]}" if "=" not in line else "not a value that can be read"
                found.problems.append(Problem(what, mend, path, number))
            good[number - 1 : number] = [""]
    try:
        return ConfigObj(good, configspec=spec, interpolation=False, list_values=False)
    except ConfigObjError:
        # An open triple quote swallows all that follows: there is nothing more to say about this file.
        return ConfigObj([], configspec=spec, interpolation=False, list_values=False)


def unquote(text: Any) -> str:
    """A value without the quotes around it."""
    value = str(text)
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def quote(text: str) -> str:
    """A value as it is written in the file.  Raises ValueError if it cannot be (several lines, all kinds of quotes)."""
    if text.splitlines() not in ([], [text]):  # line ends of any kind, as they are when the file is read
        raise ValueError("must be one line")
    if text == text.strip() and "#" not in text and text[:1] not in ("'", '"'):
        return text
    for mark in ('"', "'", '"""', "'''"):
        if mark not in text and not text.endswith(mark[0]):
            return f"{mark}{text}{mark}"
    raise ValueError("has all kinds of quotes in it")


def edit_lines(lines: list[str], name: str, text: str | None) -> list[str]:
    """The file's lines with `name` set to `text`, or with `text` None no longer set; everything else as it was.

    A new value goes beneath the setting's commented-out sample, else to the end.
    """
    new = [] if text is None else [f"{name} = {quote(text)}"]
    sample = -1
    for index, line in enumerate(lines):
        match = _ASSIGNMENT.match(line)
        if match and name in match.groups():
            return lines[:index] + new + lines[index + 1 :]
        if re.match(rf"#\s*{re.escape(name)}\s*=", line):
            sample = index
    if sample < 0:
        sample = lines.index(END_LINE) - 1 if END_LINE in lines else len(lines) - 1
    return lines[: sample + 1] + new + lines[sample + 1 :]


def replace_file(path: str, data: bytes) -> None:
    """Puts a file's new content in place whole or not at all, keeping its owner and mode."""
    there = os.stat(path)
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".nmsd-", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), there.st_mode & 0o7777)
            if (there.st_uid, there.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), there.st_uid, there.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
