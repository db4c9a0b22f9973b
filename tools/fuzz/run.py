#!/usr/bin/env python3
"""Feeds the protocol cores mutated dialogues over a real store, without a network: `tools/fuzz/run.py --seconds 60`.

Invariants: any bytes in any chunks are answered without an exception, an Error in the log or a SERVERBUG; and how the
bytes are cut never changes what is answered.  What breaks one is printed with its seed and the bytes, shortened as far
as it goes; exit status 1.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.transcripts import lines  # noqa: E402 (the path has to be set before)
from tests.transcripts.core import CoreServer  # noqa: E402
from tests.transcripts.runner import FixtureMessage, Scenario  # noqa: E402

MAX_LINE: Final = 1024  # small, so that lines above it are met often
MESSAGE: Final = (
    b"From: a@example.com\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntwo\r\n--b--\r\n"
)
SPICE: Final = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b" ",
        b"(",
        b")",
        b'"',
        b"\\",
        b"[",
        b"]",
        b"<",
        b">",
        b"=",
        b"*",
        b"%",
        b"$",
    ),
    *(b"{3}\r\n", b"{3+}\r\n", b"{0+}\r\n", b"~{2+}\r\n", b"{99999999999}\r\n", b"{4294967296+}\r\n", b"+", b"NIL"),
    *(
        b"1:*",
        b"0",
        b"-1",
        b"4294967296",
        b"99999999999999999999",
        b".",
        b"..",
        b"\r\n.\r\n",
        b"\n.\n",
        b"&-",
        b"&AAAA-",
    ),
    b"x" * 1100,
)
"""What is mixed in: the marks the grammars turn on."""

Talk = Callable[[Path, Sequence[bytes]], bytes]
"""A conversation on a new store in a folder, given the chunks; what was answered.  Raises Broken."""


class Broken(Exception):
    """An invariant is broken; the text says which."""


def talk_imap(folder: Path, chunks: Sequence[bytes]) -> bytes:
    """An IMAP client whose mailboxes have messages already."""
    messages = [FixtureMessage(MESSAGE, ("\\Seen", "Work")), FixtureMessage(b"Subject: x\r\n\r\ny\r\n")]
    boxes = [("INBOX", messages), ("Work", messages)]
    server = CoreServer(Scenario("", Path(), 0, mailboxes=boxes, settings={"imap.maxline": MAX_LINE}), folder)
    try:
        client = server.connect()
        for chunk in chunks:
            client.send(chunk)
        client.send(b"")
        said = client.received()
        client.close()
        errors = [entry for entry in server.log_lines if entry[0] == "Error"]
        if errors or b"SERVERBUG" in said:
            raise Broken(f"an error: {errors}")
        return _settled(said)
    finally:
        server.close()


def _settled(said: bytes) -> bytes:
    """Answers without what is another in every store: UIDVALIDITY, MAILBOXID."""
    said = re.sub(rb"\[(APPENDUID|COPYUID) \d+", rb"[\1 V", said)
    said = re.sub(rb"UIDVALIDITY \d+", b"UIDVALIDITY V", said)
    return re.sub(rb"MAILBOXID \([^)]*\)", b"MAILBOXID (M)", said)


def talk_pop3(folder: Path, chunks: Sequence[bytes]) -> bytes:
    """A POP3 client with two messages."""
    said = _talk_lines("pop3", folder, chunks, "service.pop.maxline")
    said = re.sub(rb"<[^<>\r\n]*@mail\.example\.com>", b"<T>", said)
    return re.sub(rb"(?m)^(\+OK )?(\d+) [0-9A-Za-z.]+\r$", rb"\1\2 U\r", said)  # UIDL


def talk_lmtp(folder: Path, chunks: Sequence[bytes]) -> bytes:
    """An MTA."""
    return _talk_lines("lmtp", folder, chunks, "lmtp.maxline")


def _talk_lines(protocol: str, folder: Path, chunks: Sequence[bytes], max_line: str) -> bytes:
    scenario = lines.Scenario("", Path("fuzz"), 1, users=["alice secret", "bob secret"])
    scenario.mailboxes = [("alice", "INBOX", ["one", "@two"])]
    scenario.messages["two"] = MESSAGE
    scenario.settings = {max_line: MAX_LINE, "service.badlogin.delay": 0}
    play = lines.Play(scenario, protocol, folder, 0)
    try:
        client = play.client(1)
        for chunk in chunks:
            client.send(chunk)
        client.send(b"")
        client.conversation.close()
        errors = [text for level, text in play.log_lines if level == "Error"]
        if errors:
            raise Broken(f"an error: {errors}")
        return client.out
    finally:
        play.close()


TALKS: Final[dict[str, Talk]] = {"imap": talk_imap, "pop3": talk_pop3, "lmtp": talk_lmtp}
HELLO: Final[dict[str, bytes]] = {
    "imap": b"a login alice secret\r\nb select INBOX\r\n",
    "pop3": b"USER alice\r\nPASS secret\r\n",
    "lmtp": b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\n",
}
"""How a dialogue gets to where most commands are allowed; half of them begin so."""

_CLIENT_LINE: Final = re.compile(r"C(?:\d+)?: ?(.*)")


def phrases(protocol: str) -> list[bytes]:
    """All lines that clients say in the protocol's transcripts."""
    found = set()
    for path in sorted((ROOT / "tests/transcripts" / protocol).glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            said = _CLIENT_LINE.match(line)
            if said is not None:
                found.add(said.group(1).encode())
    return sorted(found)


def mutate(chance: random.Random, line: bytes) -> bytes:
    """A line with something changed, or as it is."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        start = chance.randrange(len(line) + 1)
        end = min(len(line), start + chance.randrange(8))
        match chance.randrange(5):
            case 0:
                line = line[:start] + line[end:]
            case 1:
                line = line[:start] + chance.choice(SPICE) + line[start:]
            case 2:
                line = line[:start] + chance.choice(SPICE) + line[end:]
            case 3:
                line = line[:end] + line[start:end] * chance.randrange(1, 4) + line[end:]
            case _:
                line = line[:start] + chance.randbytes(end - start) + line[end:]
    return line


def stream(chance: random.Random, protocol: str, known: Sequence[bytes]) -> bytes:
    """What a client says in one session."""
    said = HELLO[protocol] if chance.random() < 0.6 else b""
    for _ in range(chance.randrange(1, 12)):
        said += mutate(chance, chance.choice(known)) + chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b""))
    return said


def cut(chance: random.Random, data: bytes) -> Iterator[bytes]:
    """The same bytes in pieces: single ones, a few, or many at a time."""
    most = chance.choice((1, 5, 80))
    position = 0
    while position < len(data):
        size = chance.randint(1, most)
        yield data[position : position + size]
        position += size


@contextmanager
def new_folder() -> Iterator[Path]:
    """A place for one store, in memory where the system has such."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="nmsd-fuzz-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def trial(protocol: str, data: bytes, seed: int) -> str:
    """Says `data` whole and in pieces; '' if the invariants hold, else what broke."""
    talk = TALKS[protocol]
    said = []
    for chunks in ([data], list(cut(random.Random(seed), data))):
        try:
            with new_folder() as folder:
                said.append(talk(folder, [chunk for chunk in chunks if chunk]))
        except Broken as broken:
            return str(broken)
        except Exception:
            return traceback.format_exc()
    return "" if said[0] == said[1] else f"whole:     {said[0]!r}\nin pieces: {said[1]!r}"


def shorten(protocol: str, data: bytes, seed: int) -> bytes:
    """Less of `data` that still breaks: halves, quarters and so on are left out as long as that is so."""
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            less = data[:start] + data[start + size :]
            if less and trial(protocol, less, seed):
                data = less
            else:
                start += size
        size //= 2
    return data


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Feeds the protocol cores mutated dialogues.")
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help="imap, pop3, lmtp; all of them")
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, help="the first session's number; that of a failure repeats it")
    options = parser.parse_args(arguments)
    protocols = options.protocols or list(TALKS)
    if unknown := set(protocols) - set(TALKS):
        parser.error(f"unknown protocol {', '.join(sorted(unknown))}; there are {', '.join(TALKS)}")
    known = {protocol: phrases(protocol) for protocol in protocols}
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    done = 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end or not done:
        for protocol in protocols:
            data = stream(random.Random(f"{protocol} {seed}"), protocol, known[protocol])
            problem = trial(protocol, data, seed)
            if problem:
                short = shorten(protocol, data, seed)
                print(f"{protocol} --seed {seed}\n{trial(protocol, short, seed) or problem}\nclient: {short!r}")
                return 1
            done += 1
        seed += 1
    print(f"{done} sessions, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
