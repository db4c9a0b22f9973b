"""Charts of the last hour and day."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, abort

from nmsd.console import chart
from nmsd.console.render import desk, page

PAGE = Blueprint("charts", __name__)


@PAGE.get("/charts/<span>")
def show(span: str) -> Any:
    """All charts of a span."""
    return page("charts.html", **_facts(span))


@PAGE.get("/charts/<span>/live")
def live(span: str) -> Any:
    """Only the charts, for the script."""
    return page("charts_live.html", **_facts(span))


def _facts(span: str) -> dict[str, Any]:
    if span not in chart.SPANS:
        abort(404)
    wanted, now = chart.SPANS[span], time.time()
    samples = desk().samples.last(wanted.minutes, now)
    return {
        "span": span,
        "spans": chart.SPANS,
        "charts": chart.charts(samples, wanted, now),
        "empty": not samples,
        "width": chart.WIDTH,
        "height": chart.HEIGHT,
        "left": chart.LEFT,
        "bottom": chart.BOTTOM,
    }
