"""The IMAP framer.  Invariant: any bytes in any chunks give lines, literals or a trouble, never an exception; and
chunking never changes the events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nmsd.wire.framer import SPOOL_MEMORY, Framer, Literal, Trouble, split_announcement

LIMIT = 64
Event = tuple[str, bytes]


def run(framer: Framer, skipped: int) -> list[Event]:
    """All events now due; literals above `skipped` bytes are thrown away."""
    events: list[Event] = []
    while True:
        if framer.in_literal():
            literal = framer.take_literal()
            if literal is None:
                return events
            events.append(("literal8" if literal.binary else "literal", bytes(literal.data)))
            literal.close()
        line = framer.take_line()
        if line is None:
            return events
        if isinstance(line, Trouble):
            events.append(("trouble", line.name.encode()))
            continue
        text, announced = split_announcement(line)
        events.append(("line", text))
        if announced is not None:
            events.append(("announced", b"%d %d" % (announced.size, announced.synchronizing)))
            if announced.size > skipped:
                framer.skip(announced)
            else:
                framer.accept(announced)


def events_of(data: bytes, chunks: list[int], skipped: int = 1 << 20) -> list[Event]:
    framer = Framer(LIMIT)
    events: list[Event] = []
    position = 0
    for size in [*chunks, len(data) or 1]:
        piece = data[position : position + size]
        position += size
        if piece:
            framer.feed(piece)
            events.extend(run(framer, skipped))
    return events


PIECES = st.sampled_from(
    [b"a noop", b"\r\n", b"\n", b"\r", b"{3}", b"{3+}", b"~{2}", b"{0}", b"{99999999999999999999}", b"{", b"}", b"abc"]
)
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=80)), max_size=30).map(b"".join)


@given(STREAMS, st.lists(st.integers(1, 40), max_size=60), st.sampled_from([0, 2, 1 << 20]))
def test_chunking_never_changes_the_events(data: bytes, chunks: list[int], skipped: int) -> None:
    assert events_of(data, chunks, skipped) == events_of(data, [], skipped)


@given(STREAMS)
def test_one_byte_at_a_time_gives_the_same_events(data: bytes) -> None:
    assert events_of(data, [1] * len(data)) == events_of(data, [])


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line and line[-1:] not in (b"\r", b"}"))))
def test_lines_come_out_as_they_went_in(lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in lines)

    assert events_of(data, []) == [("line", line) for line in lines]


def test_a_bare_line_feed_ends_a_line() -> None:
    assert events_of(b"a noop\nb noop\r\n", []) == [("line", b"a noop"), ("line", b"b noop")]


def test_a_literal_is_taken_whatever_is_in_it() -> None:
    events = events_of(b"a x {6}\r\n\r\n{1}\0 y ~{1+}\r\n\n\r\n", [])

    assert events == [
        ("line", b"a x "),
        ("announced", b"6 1"),
        ("literal", b"\r\n{1}\0"),
        ("line", b" y "),
        ("announced", b"1 0"),
        ("literal8", b"\n"),
        ("line", b""),
    ]


def test_a_line_at_the_limit_is_taken_and_one_above_is_thrown_away() -> None:
    data = b"x" * LIMIT + b"\r\n" + b"y" * (LIMIT + 1) + b"\r\nz\r\n"

    events = [("line", b"x" * LIMIT), ("trouble", b"TOO_LONG"), ("line", b"z")]
    assert events_of(data, []) == events
    assert events_of(data, [1] * len(data)) == events


def test_an_endless_line_is_not_kept() -> None:
    framer = Framer(LIMIT)
    for _ in range(100):
        framer.feed(b"x" * 50)
        assert framer.take_line() is None
        assert framer.buffered() <= LIMIT + 52
    framer.feed(b"\r\n")

    assert framer.take_line() is Trouble.TOO_LONG


def test_a_skipped_literal_is_not_kept() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"a {100000}\r\n")
    line = framer.take_line()
    assert isinstance(line, bytes)
    announced = split_announcement(line)[1]
    assert announced is not None
    framer.skip(announced)
    for _ in range(100):
        framer.feed(b"x" * 999)
        assert framer.take_literal() is None
        assert framer.buffered() == 0
    framer.feed(b"x" * 100 + b"\r\n")

    literal = framer.take_literal()
    assert literal is not None
    assert literal.data == b""
    assert framer.take_line() == b""


def test_a_literal_above_the_memory_limit_is_a_mapped_file() -> None:
    for size, in_memory in ((SPOOL_MEMORY, True), (SPOOL_MEMORY + 1, False)):
        framer = Framer(LIMIT)
        framer.feed(b"a {%d}\r\n" % size)
        line = framer.take_line()
        assert isinstance(line, bytes)
        announced = split_announcement(line)[1]
        assert announced is not None
        framer.accept(announced)
        framer.feed(b"x" * size)
        literal = framer.take_literal()
        assert isinstance(literal, Literal)
        assert isinstance(literal.data, bytes) == in_memory
        assert literal.data[:] == b"x" * size
        literal.close()


def test_clear_forgets_what_was_not_read_an_unfinished_literal_too() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"a {10}\r\nabc")
    line = framer.take_line()
    assert isinstance(line, bytes)
    announced = split_announcement(line)[1]
    assert announced is not None
    framer.accept(announced)
    assert framer.take_literal() is None
    framer.clear()
    framer.feed(b"b noop\r\n")

    assert not framer.in_literal()
    assert framer.take_line() == b"b noop"


@given(st.binary(max_size=60))
def test_what_is_no_announcement_stays_in_the_line(text: bytes) -> None:
    before, announced = split_announcement(text)

    if announced is None:
        assert before == text
    else:
        assert text.startswith(before)
        assert int(text[len(before) :].strip(b"~{+}")) == announced.size
        assert text.endswith(b"+}") == (not announced.synchronizing)
        assert text[len(before) :].startswith(b"~") == announced.binary
