"""A progress display on standard error, where somebody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Plan = Callable[[str, int], None]
"""Called with what begins and how many steps it has."""

Advance = Callable[[int], None]
"""Called with how many steps were done."""


@contextmanager
def progress(quiet: bool) -> Iterator[tuple[Plan, Advance]]:
    """The display, and what to call as the work goes on."""
    if quiet or not sys.stderr.isatty():
        yield (lambda what, total: None), (lambda count: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as display:
        tasks: list[Any] = []

        def plan(what: str, total: int) -> None:
            tasks.append(display.add_task(what, total=total))

        yield plan, lambda count: display.advance(tasks[-1], count)
