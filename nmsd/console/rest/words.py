"""Text that a program sends: what can be kept and shown on one line."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

_WILD: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MOST: Final = 128


class Line(fields.String):
    """Text without control characters, at most so long."""

    def __init__(self, *, most: int = _MOST, least: int = 0, **facts: Any) -> None:
        super().__init__(validate=[validate.Length(least, most), _check], **facts)


def _check(text: str) -> None:
    if _WILD.search(text):
        raise ValidationError("Control characters are not taken.")
