"""Showing a page, and what pages show in the same way."""

from __future__ import annotations

from typing import Any

from flask import g, render_template
from markupsafe import Markup, escape

from nmsd.config.services import MAIL_SERVICES
from nmsd.console.desk import Desk
from nmsd.log import LOGS


def page(template: str, **values: Any) -> str:
    """The template within the frame: the tree on the left, who is logged in."""
    return render_template(
        template,
        user=g.get("user"),
        services=[service.name for service in MAIL_SERVICES],
        logs=list(LOGS),
        duration=duration,
        size=size,
        quota=quota,
        prose=prose,
        **values,
    )


def desk() -> Desk:
    """What this request's page works at."""
    found = g.desk
    assert isinstance(found, Desk)
    return found


def duration(seconds: float) -> str:
    """A span of time in its two greatest units."""
    left, parts = int(seconds), []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if left >= length:
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join([*parts, f"{left} s"][:2])


def quota(of: Any) -> str:
    """The quota of a user or an account, in words."""
    found = of["quota"] if isinstance(of, dict) else of.quota
    if found is None:
        return "–"
    parts = [] if found.size is None else [size(found.size)]
    parts += [] if found.messages is None else [f"{found.messages} messages"]
    return ", ".join(parts) or "no limit"


def prose(text: str) -> Markup:
    """Text of ours in which `this` is to be typed or a name."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def size(count: float) -> str:
    """Bytes in the unit that reads well."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            break
        count /= 1024
    return f"{count:.0f} {unit}"
