"""Errors that a subcommand raises with an exit status of their own."""

from __future__ import annotations

from collections.abc import Sequence

from nmsd.model.errors import NmsdError


class Failed(NmsdError):
    """Lines for standard error, and the exit status."""

    def __init__(self, lines: Sequence[str], status: int) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)
        self.status = status
