"""A step on the way to a user, as `nmsd explain` and `nmsd directory test` print it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What was done, whether it was good (None: just a fact), what came of it, how long it took, and for what is not
    good, how to mend it."""

    what: str
    good: bool | None
    found: str
    seconds: float | None = None
    mend: str = ""
