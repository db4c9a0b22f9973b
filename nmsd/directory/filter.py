"""Search filters (RFC 4515), applied here: for the embedded directory, which is no server.

Values are compared without regard to case and to how many spaces are in them, as directories compare names.  A filter
with an extensible match is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

Entry = Mapping[str, Sequence[str]]
"""Attributes: names in lower case without options, values."""
Filter = Callable[[Entry], bool]

_ITEM: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9.-]*|[0-9.]+)(?:;[A-Za-z0-9;-]+)?\s*(=|~=|>=|<=)")
_ESCAPE: Final = re.compile(r"\\([0-9A-Fa-f]{2})")
_MOST_DEPTH: Final = 50


def parse_filter(text: str) -> Filter:
    """Whether an entry matches, as a function.  Raises ValueError."""
    found, end = _parse(text.strip(), 0, 0)
    if end != len(text.strip()):
        raise ValueError(f"{text}: something follows the filter")
    return found


def _parse(text: str, start: int, depth: int) -> tuple[Filter, int]:
    if depth > _MOST_DEPTH:
        raise ValueError(f"{text}: brackets too deep")
    if text[start : start + 1] != "(":
        raise ValueError(f"{text}: a bracket is missing")
    kind = text[start + 1 : start + 2]
    if kind in ("&", "|", "!"):
        parts, place = [], start + 2
        while text[place : place + 1] == "(":
            part, place = _parse(text, place, depth + 1)
            parts.append(part)
        if text[place : place + 1] != ")" or (kind == "!" and len(parts) != 1):
            raise ValueError(f"{text}: a bracket is missing")
        return _joined(kind, tuple(parts)), place + 1
    end = text.find(")", start)
    if end < 0:
        raise ValueError(f"{text}: a bracket is missing")
    return _item(text[start + 1 : end], text), end + 1


def _joined(kind: str, parts: tuple[Filter, ...]) -> Filter:
    if kind == "!":
        return lambda entry: not parts[0](entry)
    if kind == "&":
        return lambda entry: all(part(entry) for part in parts)
    return lambda entry: any(part(entry) for part in parts)


def _item(item: str, text: str) -> Filter:
    match = _ITEM.match(item)
    if match is None:
        raise ValueError(f"{text}: {item} is not understood")
    name, operator, value = match.group(1).lower(), match.group(2), item[match.end() :]
    if operator == ">=":
        return lambda entry: any(_key(one) >= _key(_plain(value)) for one in entry.get(name, ()))
    if operator == "<=":
        return lambda entry: any(_key(one) <= _key(_plain(value)) for one in entry.get(name, ()))
    if operator == "=" and value.strip() == "*":
        return lambda entry: bool(entry.get(name))
    if operator == "=" and "*" in value:
        pattern = re.compile(".*".join(re.escape(_folded(_plain(part))) for part in value.split("*")), re.DOTALL)
        return lambda entry: any(pattern.fullmatch(_folded(one)) for one in entry.get(name, ()))
    wanted = _folded(_plain(value))
    return lambda entry: any(_folded(one) == wanted for one in entry.get(name, ()))


def _plain(value: str) -> str:
    raw = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), value.encode().decode("latin-1"))
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def _folded(value: str) -> str:
    return " ".join(value.lower().split())


def _key(value: str) -> tuple[int, int, str]:
    text = value.strip()
    return (0, int(text), "") if re.fullmatch(r"-?\d{1,18}", text) else (1, 0, _folded(text))
