"""The shape of a command's row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nmsd.lmtp.session import Session
from nmsd.lmtp.state import State
from nmsd.wire.protocol import Output

Answer = Iterator[Output]
"""What a handler gives: whole lines, CRLF included."""


@dataclass(frozen=True)
class Command:
    """One command.

    `run` gets what follows the name, without the space.  `bare`: nothing may follow.  `inline`: it never waits, so it
    may run in the event loop.
    """

    name: bytes
    states: State
    run: Callable[[Session, bytes], Answer]
    bare: bool = False
    inline: bool = True
