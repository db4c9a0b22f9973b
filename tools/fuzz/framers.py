#!/usr/bin/env python3
"""Feeds the framers random and mutated input for as long as one likes: `tools/fuzz/framers.py --seconds 60`.

Two invariants: any bytes in any chunks give events, never an exception but the protocol's own; and chunking never
changes the events.  A case that breaks one is printed with the seed that makes it again, and written to a file.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nmsd.lmtp.content import DotReader
from nmsd.wire.errors import BadSyntax
from nmsd.wire.framer import Framer, Trouble, split_announcement
from nmsd.wire.lines import LineFramer

Event = tuple[str, bytes]
LIMIT: Final = 200  # small, so that it is met often
LITERAL_TAKEN: Final = 1000

SEEDS: Final = (
    b"a1 LOGIN alice secret\r\na2 SELECT INBOX\r\n",
    b"a3 APPEND INBOX (\\Seen) {12}\r\nSubject: x\r\n\r\na4 NOOP\r\n",
    b"a5 APPEND INBOX {3+}\r\nabc {0+}\r\n ~{4}\r\n\0\1\2\3\r\n",
    b'a6 SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nstra\xc3\x9fe BODY "x\\"y"\r\n',
    b"a7 LOGIN {5}\r\nalice {6}\r\nsecret\r\na8 IDLE\r\nDONE\r\n",
    b"x" * 300 + b"{5+}\r\nhello\r\n" + b"y" * 199 + b"\r\n",
    b"USER alice\r\nPASS secret\r\nTOP 1 0\r\nRETR 1\nQUIT\r\n",
    b"LHLO a\r\nMAIL FROM:<a@b> SIZE=5\r\nRCPT TO:<c@d>\r\nBDAT 5 LAST\r\nhelloQUIT\r\n",
    b"Subject: y\r\n\r\n..dot\r\n.\n..\r\nbare\nlf\rcr\r\n.\r\nMAIL FROM:<>\r\n",
    b"{99999999999999999999}\r\n{-1}\r\n{1+\r\n~{1+}\r\nx\r\n",
)


def imap_events(chunks: Iterable[bytes]) -> list[Event]:
    """What the IMAP framer makes of the input: every announced literal up to a limit is accepted, others skipped."""
    framer = Framer(LIMIT)
    events: list[Event] = []
    for chunk in chunks:
        framer.feed(chunk)
        drain_imap(framer, events)
    return events


def drain_imap(framer: Framer, events: list[Event]) -> None:
    while True:
        if framer.in_literal():
            literal = framer.take_literal()
            if literal is None:
                return
            events.append(("literal", bytes(literal.data)))
            literal.close()
            continue
        line = framer.take_line()
        if line is None:
            return
        if isinstance(line, Trouble):
            events.append(("trouble", line.name.encode()))
            continue
        events.append(("line", line))
        announced = split_announcement(line)[1]
        if announced is not None and announced.size <= LITERAL_TAKEN:
            framer.accept(announced)
        elif announced is not None:
            framer.skip(announced)


def line_events(chunks: Iterable[bytes]) -> list[Event]:
    """What the framer of POP3 and LMTP makes of it."""
    framer = LineFramer(LIMIT)
    events: list[Event] = []
    for chunk in chunks:
        framer.feed(chunk)
        while True:
            try:
                line = framer.maybe_line()
            except BadSyntax:
                events.append(("too long", b""))
                continue
            if line is None:
                break
            events.append(("line", line))
    return events


def dot_events(chunks: Iterable[bytes]) -> list[Event]:
    """What LMTP's DATA reader makes of it: the message, and what is left behind its end."""
    reader = DotReader()
    content = b""
    rest: bytes | None = None
    for chunk in chunks:
        if rest is None:
            piece, rest = reader.read(chunk)
            content += piece
        else:
            rest += chunk
    return [("content", content)] if rest is None else [("content", content), ("rest", rest)]


TARGETS: Final[dict[str, Callable[[Iterable[bytes]], list[Event]]]] = {
    "imap": imap_events,
    "lines": line_events,
    "dots": dot_events,
}


def make_input(rng: random.Random) -> bytes:
    """A seed or some joined, with bytes changed, cut out, doubled or put in."""
    data = bytearray(b"".join(rng.choices(SEEDS, k=rng.randint(1, 3))))
    for _ in range(rng.choice((0, 1, 1, 3, 10))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 40)]
            case 3:
                data[at:at] = rng.choice((b"\r\n", b"\n", b"\r", b"{5+}\r\n", b"{0}\r\n", b"\0", b".", b"\r\n.\r\n"))
            case _:
                data[at:at] = rng.randbytes(rng.randint(1, 30))
    return bytes(data)


def make_chunks(rng: random.Random, data: bytes) -> list[bytes]:
    """The input cut anywhere, sometimes into single bytes."""
    if rng.random() < 0.3:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(1, 6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]


def broken(target: Callable[[Iterable[bytes]], list[Event]], seed: int) -> str:
    """What is wrong with the case of this seed; '' for nothing."""
    rng = random.Random(seed)
    data = make_input(rng)
    chunks = make_chunks(rng, data)
    try:
        whole, cut = target([data]), target(chunks)
    except Exception:
        return f"{data!r}\n{traceback.format_exc()}"
    return "" if whole == cut else f"{data!r}\nin chunks {chunks!r}\nwhole {whole!r}\ncut   {cut!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--target", choices=TARGETS, action="append", help="what to feed (default all)")
    parser.add_argument("--seed", type=int, help="one case only, that of this seed")
    arguments = parser.parse_args()
    names = arguments.target or list(TARGETS)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(48)
    until = time.monotonic() + arguments.seconds
    cases = 0
    while True:
        for name in names:
            if what := broken(TARGETS[name], seed):
                Path(f"fuzz-{name}-{seed}.txt").write_text(what)
                print(f"{name} is broken by --seed {seed} --target {name}:\n{what}")
                return 1
            cases += 1
        if arguments.seed is not None or time.monotonic() > until:
            print(f"{cases} cases, nothing broken")
            return 0
        seed += 1


if __name__ == "__main__":
    sys.exit(main())
