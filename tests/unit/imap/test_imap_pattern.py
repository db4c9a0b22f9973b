"""Mailbox patterns: which names they mean, and that no pattern takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.imap.errors import No
from nmsd.imap.pattern import PATTERNS_MAX, Patterns, whole_patterns

TEXTS = st.text("ab/*%", max_size=8)


def as_expression(pattern: str) -> str:
    wildcards = {"*": ".*", "%": "[^/]*"}
    return "".join([wildcards.get(sign, re.escape(sign)) for sign in pattern])


@given(st.lists(TEXTS, min_size=1, max_size=3), st.text("ab/", max_size=10))
def test_a_name_is_meant_if_one_of_the_patterns_fits_it(patterns: list[str], name: str) -> None:
    expected = any(re.fullmatch(as_expression(pattern), name) for pattern in patterns)
    assert Patterns(tuple(patterns)).match(name) == expected


@pytest.mark.parametrize("pattern", ["inbox", "InBox/%", "inbox*"])
def test_inbox_is_written_in_any_case(pattern: str) -> None:
    assert Patterns((pattern,)).match("INBOX") == ("/" not in pattern)
    assert Patterns((pattern,)).match("INBOX/a") == (pattern != "inbox")


def test_a_pattern_of_wildcards_that_fits_almost_is_not_tried_in_all_ways() -> None:
    """As a regular expression it would take longer than the universe is old."""
    assert not Patterns(("*a%a" * 100 + "b",)).match("a" * 1000)


def test_patterns_may_be_so_long_together_and_no_longer() -> None:
    half = "a" * (PATTERNS_MAX // 2)
    assert whole_patterns("", (half, half)) == (half, half)
    with pytest.raises(No, match="too long"):
        whole_patterns("", (half, half, "a"))


def test_the_reference_counts_with_each_pattern() -> None:
    reference = "r" * (PATTERNS_MAX // 4 - 1)
    assert whole_patterns(reference, ("a", "", "b", "c")) == (reference + "a", reference + "b", reference + "c")
    with pytest.raises(No, match="too long"):
        whole_patterns(reference, ("a",) * 5)
