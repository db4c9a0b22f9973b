"""Messages on their way in: dots, line ends, size, memory and files."""

from __future__ import annotations

import mmap
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.lmtp.content import SPOOL_MEMORY, Content, DotReader
from nmsd.lmtp.reply import Refusal
from nmsd.pop3.multiline import Stuffer

WIRE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.", b"text"]), max_size=40).map(b"".join)
PLACES = st.lists(st.integers(0, 80), max_size=10)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read_all(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    """What comes out of the pieces, and what follows the end, if it came."""
    reader = DotReader()
    content = b""
    for number, piece in enumerate(pieces):
        found, rest = reader.read(piece)
        content += found
        if rest is not None:
            return content, rest + b"".join(pieces[number + 1 :])
    return content, None


def reference(data: bytes) -> tuple[bytes, bytes | None]:
    """RFC 5321 §4.5.2 line by line; without an end, with what there is of the last line."""
    content = b""
    lines = data.split(b"\r\n")
    for number, line in enumerate(lines):
        if number == len(lines) - 1:
            return content + line.removeprefix(b"."), None
        if line == b".":
            return content, b"\r\n".join(lines[number + 1 :])
        content += (line[1:] if line.startswith(b".") else line) + b"\r\n"
    raise AssertionError


@given(WIRE, PLACES)
def test_the_end_is_where_the_standard_puts_it_in_any_chunking(data: bytes, places: list[int]) -> None:
    content, rest = read_all(cut(data, places))
    expected, expected_rest = reference(data)
    assert rest == expected_rest
    if rest is not None:
        assert content == expected
    else:
        assert expected.startswith(content)
        assert len(expected) - len(content) <= 3  # what may be part of the end is held back


@given(WIRE.map(lambda data: data + b"\r\n"), PLACES)
def test_what_is_stuffed_comes_out_as_it_was(message: bytes, places: list[int]) -> None:
    lines = [b"." + line if line.startswith(b".") else line for line in message.split(b"\r\n")]
    wire = b"\r\n".join(lines) + b".\r\nQUIT\r\n"
    assert read_all(cut(wire, places)) == (message, b"QUIT\r\n")


@given(WIRE, PLACES)
def test_pop3_stuffing_never_shows_an_end_before_the_end(message: bytes, places: list[int]) -> None:
    stuffer = Stuffer()
    wire = b"".join(stuffer.write(piece) for piece in cut(message, places)) + stuffer.end()
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    lines = wire.replace(b"\r\n", b"\n").split(b"\n")
    assert lines.index(b".") == len(lines) - 2  # whether a client takes LF or CRLF for a line's end
    whole = Stuffer()
    assert wire == whole.write(message) + whole.end()


def content(limit: int = 1 << 30, refuse_bare_lf: bool = False) -> Content:
    return Content(b"Trace: x\r\n", limit, refuse_bare_lf)


def test_a_small_message_stays_in_memory() -> None:
    message = content()
    message.write(b"a\r\nb")
    assert message.finish() == b"Trace: x\r\na\r\nb\r\n"


@pytest.mark.parametrize("extra", [0, 1, 100_000])
def test_a_message_above_the_memory_limit_goes_to_a_file_and_is_mapped(extra: int) -> None:
    message = content()
    body = b"0123456789abcde\n" * ((SPOOL_MEMORY + extra) // 16)
    for start in range(0, len(body), 4099):
        message.write(body[start : start + 4099])
    data = message.finish()
    assert isinstance(data, mmap.mmap)
    assert data[:] == b"Trace: x\r\n" + body.replace(b"\n", b"\r\n")
    message.close()
    assert data.closed


def test_the_size_limit_counts_what_the_client_sent() -> None:
    message = content(limit=4)
    message.write(b"a\nb\n")
    assert message.finish() == b"Trace: x\r\na\r\nb\r\n"
    message = content(limit=3)
    message.write(b"a\nb\n")
    message.write(b"more")
    assert message.received == 8
    with pytest.raises(Refusal, match="too large"):
        message.finish()


def test_without_room_for_the_file_the_message_is_refused_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    message = content()
    message.write(b"x" * (SPOOL_MEMORY + 1))
    message.write(b"y")
    with pytest.raises(Refusal) as caught:
        message.finish()
    assert str(caught.value.reply) == "452 4.3.1 No room for the message, try again later"
