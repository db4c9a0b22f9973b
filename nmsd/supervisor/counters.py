"""The counters of workers, added up by service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

SUMS: Final = ("sessions", "most", "connections", "rejected", "logins", "bad_logins")
"""The plain numbers; `most` is the greatest of the workers', the others are added."""


def add_up(answers: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By service: the numbers of SUMS, and `commands` by name and outcome."""
    found: dict[str, dict[str, Any]] = {}
    for facts in answers:
        total = found.setdefault(facts["service"], {**dict.fromkeys(SUMS, 0), "commands": {}})
        for name in SUMS:
            value = int(facts.get(name, 0))
            total[name] = max(total[name], value) if name == "most" else total[name] + value
        for command, outcomes in facts.get("commands", {}).items():
            counts = total["commands"].setdefault(command, {})
            for outcome, count in outcomes.items():
                counts[outcome] = counts.get(outcome, 0) + count
    return found
