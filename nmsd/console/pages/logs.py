"""Logs: the last lines of each log file."""

from __future__ import annotations

import os
from typing import Any, Final

from flask import Blueprint, abort

from nmsd.console.render import desk, page
from nmsd.log import LOGS

PAGE = Blueprint("logs", __name__)
LINES: Final = 200
_BYTES: Final = 1 << 17


@PAGE.get("/logs/<name>")
def show(name: str) -> Any:
    """The end of one file, the newest line first.  Only names of logs that there are name a file."""
    if name not in LOGS:
        abort(404)
    lines = tail(desk().instance, name)
    return page("log.html", name=name, lines=lines[::-1])


def tail(instance: str, name: str) -> list[str]:
    """The last lines of a log, the newest last."""
    path = os.path.join(instance, "log", f"{name}.log")
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    return (lines[1:] if end > _BYTES else lines)[-LINES:]
