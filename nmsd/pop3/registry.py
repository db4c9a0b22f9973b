"""The shape of a command's row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nmsd.pop3.session import Session
from nmsd.pop3.state import State
from nmsd.wire.protocol import Output

Answer = Iterator[Output]
"""What a handler gives: whole lines, CRLF included, the status line first."""


@dataclass(frozen=True)
class Command:
    """One command.

    `least` and `most` are how many arguments it takes, with single spaces between; `whole`: the rest of the line is one
    argument, spaces included (passwords may hold them).  `inline`: it never waits and says little, so it may run in the
    event loop.
    """

    name: bytes
    states: State
    run: Callable[[Session, list[bytes]], Answer]
    least: int = 0
    most: int = 0
    whole: bool = False
    inline: bool = False
