"""mbox files: where messages begin and end, what was quoted, what the headers of mail programs say."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.migrate.mbox import Quoting, find_mboxes, is_mbox, split_mbox
from nmsd.migrate.source import Found, Refused
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

FROM = b"From bob@example.com Mon Jan  1 12:00:00 2024\n"


def read(folder: Path, data: bytes, quoting: Quoting = "rd") -> list[Found | Refused]:
    """The messages of a file with this content."""
    path = folder / "box"
    path.write_bytes(data)
    (found,) = find_mboxes(str(path), quoting)
    return list(found.messages())


def texts(folder: Path, data: bytes, quoting: Quoting = "rd") -> list[bytes]:
    found = read(folder, data, quoting)
    assert not [one for one in found if isinstance(one, Refused)]
    return [one.read() for one in found if isinstance(one, Found)]


def one(folder: Path, data: bytes) -> Found:
    (found,) = read(folder, data)
    assert isinstance(found, Found)
    return found


def test_messages_are_split_at_from_lines_after_empty_lines(tmp_path: Path) -> None:
    data = FROM + b"Subject: a\n\none\n\n" + FROM + b"Subject: b\n\ntwo\n\nthree\n\n" + FROM + b"Subject: c\n\n"
    assert texts(tmp_path, data) == [
        b"Subject: a\r\n\r\none\r\n",
        b"Subject: b\r\n\r\ntwo\r\n\r\nthree\r\n",
        b"Subject: c\r\n\r\n",
    ]


def test_the_empty_line_after_the_last_message_is_no_part_of_it(tmp_path: Path) -> None:
    assert texts(tmp_path, FROM + b"Subject: a\n\none\n\n") == [b"Subject: a\r\n\r\none\r\n"]


def test_crlf_files_and_files_without_a_last_line_end_are_read_alike(tmp_path: Path) -> None:
    data = FROM + b"Subject: a\n\none\n\n" + FROM + b"Subject: b\n\ntwo"
    assert (
        texts(tmp_path, data.replace(b"\n", b"\r\n"))
        == texts(tmp_path, data)
        == [
            b"Subject: a\r\n\r\none\r\n",
            b"Subject: b\r\n\r\ntwo\r\n",
        ]
    )


@pytest.mark.parametrize(
    "line",
    [
        b"From the start of the year 2024\n",
        b"From here on\n",
        b"From Mon to Fri 2024\n",
        b">From bob Mon Jan  1 12:00:00 2024\n",
    ],
)
def test_a_line_that_only_begins_with_from_splits_nothing(tmp_path: Path, line: bytes) -> None:
    assert len(texts(tmp_path, FROM + b"Subject: a\n\none\n\n" + line + b"two\n")) == 1


def test_quoting_is_undone_as_it_was_done(tmp_path: Path) -> None:
    data = FROM + b"Subject: a\n\n>From x\n>>From y\n>> From z\n> From\n"
    kept = b">> From z\r\n> From\r\n"
    start = b"Subject: a\r\n\r\n"
    assert texts(tmp_path, data) == [start + b"From x\r\n>From y\r\n" + kept]
    assert texts(tmp_path, data, "o") == [start + b"From x\r\n>>From y\r\n" + kept]
    assert texts(tmp_path, data, "none") == [start + b">From x\r\n>>From y\r\n" + kept]


def test_a_content_length_that_fits_is_believed(tmp_path: Path) -> None:
    inner = b"one\n\n" + FROM + b"no message\n>From x\n"
    length = b"Content-Length: %d\n\n" % len(inner)
    data = FROM + b"Subject: a\n" + length + inner + b"\n" + FROM + b"Subject: b\n\n"
    assert texts(tmp_path, data) == [
        b"Subject: a\r\n\r\n" + inner.replace(b"\n", b"\r\n"),
        b"Subject: b\r\n\r\n",
    ]


@pytest.mark.parametrize("length", [b"3", b"99999999999999999999", b"-1", b"x", b"11"])
def test_a_content_length_that_does_not_fit_is_not(tmp_path: Path, length: bytes) -> None:
    data = FROM + b"Content-Length: " + length + b"\nSubject: a\n\nlonger than that\n\n" + FROM + b"Subject: b\n\n"
    assert texts(tmp_path, data) == [b"Subject: a\r\n\r\nlonger than that\r\n", b"Subject: b\r\n\r\n"]


@pytest.mark.parametrize(
    ("fields", "flags", "keywords"),
    [
        (b"Status: RO\n", SEEN, ()),
        (b"Status: O\nX-Status: AF\n", ANSWERED | FLAGGED, ()),
        (b"X-Status: DT\n", DELETED | DRAFT, ()),
        (b"X-Keywords: Work $Junk  work\n", 0, ("Work", "$Junk")),
        (b"X-Keywords: a(b) {c}\n", 0, ("a_b_", "_c}")),
        (b"X-Mozilla-Status: 1007\n", SEEN | ANSWERED | FLAGGED, ("$Forwarded",)),
        (b"X-Mozilla-Status: zzz\nX-Mozilla-Keys: $label1,x\n", 0, ("$label1", "x")),
        (b"X-UID: 12\nX-IMAPbase: 1 2\n", 0, ()),
    ],
)
def test_flags_come_from_fields_that_are_then_left_out(
    tmp_path: Path, fields: bytes, flags: int, keywords: tuple[str, ...]
) -> None:
    found = one(tmp_path, FROM + b"Subject: a\n" + fields + b"To: x\n\nStatus: R\n")
    assert (found.system_flags, found.keywords) == (flags, keywords)
    assert found.read() == b"Subject: a\r\nTo: x\r\n\r\nStatus: R\r\n"


def test_the_message_that_programs_keep_their_own_data_in_is_left_out(tmp_path: Path) -> None:
    data = (
        FROM + b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n" + FROM + b"A: b\n\n"
    )
    assert texts(tmp_path, data) == [b"A: b\r\n\r\n"]


@pytest.mark.parametrize(
    ("line", "epoch", "zone"),
    [
        (b"From x Mon Jan  1 12:00:00 2024\n", 1704110400, 0),
        (b"From x Mon Jan  1 12:00 2024\n", 1704110400, 0),
        (b"From - Mon Jan 01 12:00:00 2024\n", 1704110400, 0),
        (b"From x y z  Mon Jan 1 12:00:00 EST 2024\n", 1704110400, 0),
        (b"From x Mon Jan  1 12:00:00 2024 +0100\n", 1704106800, 60),
        (b"From x Mon Jan  1 12:00:00 -0230 2024\n", 1704119400, -150),
    ],
)
def test_the_date_is_that_of_the_from_line(tmp_path: Path, line: bytes, epoch: int, zone: int) -> None:
    found = one(tmp_path, line + b"Date: Tue, 2 Jan 2024 00:00:00 +0000\n\n")
    assert (found.internal_date.epoch, found.internal_date.zone) == (epoch, zone)


def test_else_it_is_the_date_fields(tmp_path: Path) -> None:
    found = one(tmp_path, b"From x Mon Foo 99 12:00:00 2024\nDate: Tue, 2 Jan 2024 02:00:00 +0200\n\n")
    assert (found.internal_date.epoch, found.internal_date.zone) == (1704153600, 120)


def test_keys_stay_when_flags_change_and_equal_messages_have_different_ones(tmp_path: Path) -> None:
    message = FROM + b"Subject: a\n%s\nbody\n\n"
    first = [found.key for found in read(tmp_path, message % b"" + message % b"") if isinstance(found, Found)]
    second = [
        found.key for found in read(tmp_path, message % b"Status: RO\n" + message % b"") if isinstance(found, Found)
    ]
    assert first == second
    assert len(set(first)) == 2


def test_what_is_no_message_is_refused_with_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, FROM + b"\n\n" + FROM + b"Subject: a\n\n")
    assert isinstance(found[0], Refused)
    assert found[0].origin.endswith("box, message 1")
    assert len(found) == 2
    (refused,) = read(tmp_path, b"no mbox\n")
    assert isinstance(refused, Refused)


def test_a_tree_gives_mailboxes_by_their_places(tmp_path: Path) -> None:
    (tmp_path / "Work.sbd" / "deep").mkdir(parents=True)
    for name in ("inbox", "Work", "Work.sbd/Plans", "Work.sbd/deep/er", "Old.mbox", "B&APw-cher", "empty"):
        (tmp_path / name).write_bytes(b"" if name == "empty" else FROM + b"A: b\n\n")
    (tmp_path / "Work.msf").write_bytes(b"// <!-- index -->")
    (tmp_path / ".hidden").write_bytes(FROM)
    (tmp_path / "link").symlink_to("inbox")
    names = [(folder.name, folder.count) for folder in find_mboxes(str(tmp_path))]
    assert sorted(names) == [
        ("Bücher", 1),
        ("INBOX", 1),
        ("Old", 1),
        ("Work", 1),
        ("Work/Plans", 1),
        ("Work/deep/er", 1),
        ("empty", 0),
    ]


def test_files_are_recognised_by_their_first_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for data, expected in ((FROM, True), (b"", True), (b"From here\n", False), (b"\0" * 10_000, False)):
        path.write_bytes(data)
        assert is_mbox(str(path)) == expected
    assert not is_mbox(str(tmp_path / "missing"))


PIECES = [
    b"\n",
    b"\r\n",
    FROM,
    b"From ",
    b">From x\n",
    b"Content-Length: 5\n",
    b"Subject: a\n",
    b"text",
    b"Status: RO\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
def test_splitting_loses_nothing_but_the_lines_between(data: bytes) -> None:
    places = list(split_mbox(data))
    assert [start for start, _ in places[:1]] == [0][: len(data)]
    for (start, end), (following, _) in pairwise([*places, (len(data), 0)]):
        assert start <= end <= following
        assert data[end:following] in (b"", b"\n", b"\r\n")


@given(st.binary(max_size=300))
def test_any_bytes_give_messages_or_refusals(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for found in read(Path(folder), FROM + data):
            if isinstance(found, Found):
                assert found.read().endswith(b"\r\n")
