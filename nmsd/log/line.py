"""Log lines: Netscape's text and JSON.

    [dd/Mmm/yyyy:hh:mm:ss +hhmm] host process[pid]: Category Level: text key=value key="quoted value"

Invariants: whatever a client sends cannot end a line or look like a field of its own.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_PLAIN: Final = re.compile(r"[^\s\"=\[\]\\]+")


def clean(text: str) -> str:
    """`text` on one line: control characters, line separators, lone surrogates and backslashes as escapes."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def stamp(seconds: float) -> str:
    """A moment in local time, as a log line begins: dd/Mmm/yyyy:hh:mm:ss +hhmm."""
    at = time.localtime(seconds)
    return f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} {_zone(at)}"


def text_line(
    at: float, host: str, process: str, pid: int, level: str, category: str, text: str, fields: Mapping[str, Any]
) -> str:
    """An event in Netscape's format, with its line end."""
    head = f"[{stamp(at)}] {host} {process}[{pid}]: {category} {level}:"
    return " ".join([head, clean(text), *(f"{name}={_value(value)}" for name, value in fields.items())]) + "\n"


def json_line(
    at: float, host: str, process: str, pid: int, level: str, category: str, text: str, fields: Mapping[str, Any]
) -> str:
    """The same as one JSON object; its own members come first, the event's fields behind them, in ASCII throughout."""
    here = time.localtime(at)
    zone = _zone(here)
    when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', here)}.{int(at % 1 * 1000):03d}{zone[:3]}:{zone[3:]}"
    event = {
        "time": when,
        "host": host,
        "process": f"{process}[{pid}]",
        "category": category,
        "level": level,
        "text": text,
        **{name: _json_value(value) for name, value in fields.items()},
    }
    return json.dumps(event, separators=(",", ":")) + "\n"


def _zone(at: time.struct_time) -> str:
    minutes = at.tm_gmtoff // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _value(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else _text(value)
    if _PLAIN.fullmatch(text) and not _CONTROLS.search(text):
        return text
    return '"' + clean(text).replace('"', '\\"') + '"'


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 3)
    return _text(value)
