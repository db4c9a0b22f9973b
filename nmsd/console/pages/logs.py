"""Logs: the last lines of each log file."""

from __future__ import annotations

import os
from typing import Any, Final

from flask import Blueprint, abort

from nmsd.console.render import desk, page
from nmsd.log import LOGS

PAGE = Blueprint("logs", __name__)
_LINES: Final = 200
_BYTES: Final = 1 << 17


@PAGE.get("/logs/<name>")
def show(name: str) -> Any:
    """The end of one file, the newest line first.  Only names of logs that there are name a file."""
    if name not in LOGS:
        abort(404)
    lines = _tail(os.path.join(desk().instance, "log", f"{name}.log"))
    return page("log.html", name=name, lines=lines[::-1])


def _tail(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    return (lines[1:] if end > _BYTES else lines)[-_LINES:]
