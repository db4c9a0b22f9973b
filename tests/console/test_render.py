"""What pages show in the same way."""

from __future__ import annotations

import pytest

from nmsd.console.render import duration, prose, size


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("say `a <b>` & `c`.", "say <code>a &lt;b&gt;</code> &amp; <code>c</code>."),
        ("one ` alone <", "one ` alone &lt;"),
    ],
)
def test_prose_marks_what_is_to_be_typed_and_escapes_the_rest(text: str, shown: str) -> None:
    assert str(prose(text)) == shown


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (61, "1 m 1 s"), (3600, "1 h 0 s"), (90_000, "1 d 1 h")])
def test_a_span_of_time_has_its_two_greatest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KB"), (5 << 20, "5 MB"), (1 << 43, "8192 GB")]
)
def test_bytes_are_told_in_the_unit_that_reads_well(count: float, words: str) -> None:
    assert size(count) == words
