"""Charts as lines in SVG: where the points are.  The template draws them; nothing here is for a browser alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nmsd.console.samples import STEP_S, Sample

WIDTH: Final = 720
HEIGHT: Final = 200
LEFT: Final = 48  # room for the numbers of the scale
BOTTOM: Final = 24  # and for the times
_TOP: Final = 8
_TICKS: Final = 4
_ROUND: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 20)  # what four ticks part well


@dataclass(frozen=True)
class Line:
    """A line: its name, the points of its unbroken parts as SVG has them, and its last and greatest value."""

    name: str
    parts: tuple[str, ...]
    now: float | None
    most: float


@dataclass(frozen=True)
class Chart:
    """A chart.

    `marks` are (y, number) of the scale, `times` (x, words) of the time; `rows` are the table of it: a time and a value
    for each line.
    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    marks: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Span:
    """A span of time: how many minutes, how many of them come to a point, and how many points to a row of the table and
    to a mark."""

    words: str
    minutes: int
    per_point: int
    per_row: int
    per_mark: int


SPANS: Final = {"hour": Span("Last hour", 60, 1, 5, 10), "day": Span("Last day", 1440, 5, 12, 48)}

_Value = Callable[[Sequence[Sample]], float]


def _mean(name: str) -> _Value:
    return lambda samples: sum(float(getattr(each, name)) for each in samples) / len(samples)


def _most(name: str) -> _Value:
    return lambda samples: max(float(getattr(each, name)) for each in samples)


def _per_command(samples: Sequence[Sample]) -> float:
    commands = sum(each.commands for each in samples)
    return sum(each.command_ms * each.commands for each in samples) / commands if commands else 0.0


_CHARTS: Final[tuple[tuple[str, str, tuple[tuple[str, _Value], ...]], ...]] = (
    ("Sessions", "", (("IMAP", _most("imap")), ("POP", _most("pop")), ("LMTP", _most("lmtp")))),
    ("Logins", "a minute", (("Good", _mean("logins")), ("Failed", _mean("failures")))),
    ("Deliveries", "a minute", (("Delivered", _mean("deliveries")), ("Not delivered", _mean("refusals")))),
    (
        "Latency",
        "ms",
        (
            ("A command on average", _per_command),
            ("95 of 100 commands within", _most("slow_ms")),
            ("A delivery on average", _most("delivery_ms")),
        ),
    ),
)


def charts(samples: Sequence[Sample], span: Span, now: float) -> list[Chart]:
    """All charts of a span that ends now."""
    points = span.minutes // span.per_point
    last = int(now // STEP_S) // span.per_point
    slots: list[list[Sample]] = [[] for _ in range(points)]
    for sample in samples:
        place = sample.minute // span.per_point - last + points - 1
        if 0 <= place < points:
            slots[place].append(sample)
    first = (last - points + 1) * span.per_point * STEP_S
    return [_chart(title, unit, named, slots, first, span) for title, unit, named in _CHARTS]


def _chart(
    title: str,
    unit: str,
    named: Sequence[tuple[str, _Value]],
    slots: Sequence[Sequence[Sample]],
    first: int,
    span: Span,
) -> Chart:
    values = [[value(slot) if slot else None for slot in slots] for _, value in named]
    top = _round_up(max((each for line in values for each in line if each is not None), default=0.0))

    def x(place: int) -> float:
        return round(LEFT + (WIDTH - LEFT) * place / max(1, len(slots) - 1), 1)

    def y(value: float) -> float:
        return round(_TOP + (HEIGHT - BOTTOM - _TOP) * (1 - value / top), 1)

    def at(place: int) -> str:
        return time.strftime("%H:%M", time.localtime(first + place * span.per_point * STEP_S))

    lines = tuple(
        Line(
            name,
            tuple(_parts(line, x, y)),
            next((each for each in reversed(line) if each is not None), None),
            max((each for each in line if each is not None), default=0.0),
        )
        for (name, _), line in zip(named, values)
    )
    marks = tuple((y(top * tick / _TICKS), _number(top * tick / _TICKS)) for tick in range(_TICKS + 1))
    times = tuple((x(place), at(place)) for place in range(0, len(slots), span.per_mark))
    rows = tuple(
        (at(place), tuple(_cell(line[place : place + span.per_row]) for line in values))
        for place in range(0, len(slots), span.per_row)
    )
    return Chart(title, unit, lines, marks, times, rows)


def _parts(line: Sequence[float | None], x: Callable[[int], float], y: Callable[[float], float]) -> Iterator[str]:
    """Where there is nothing, the line is broken; a lone point is a short stroke."""
    part: list[str] = []
    for place, value in enumerate([*line, None]):
        if value is not None:
            part.append(f"{x(place)},{y(value)}")
        elif part:
            if len(part) == 1:
                part.append(f"{x(place - 1) + 2},{part[0].partition(',')[2]}")
            yield " ".join(part)
            part = []


def _cell(values: Sequence[float | None]) -> str:
    there = [each for each in values if each is not None]
    return _number(max(there)) if there else "–"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2g}"


def _round_up(value: float) -> float:
    """The next round number, so that the scale has round marks."""
    if value <= 0:
        return float(_TICKS)
    step = 10.0 ** math.floor(math.log10(value))
    return next(step * each for each in _ROUND if step * each >= value)
