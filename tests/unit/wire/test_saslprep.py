"""SASLprep, by the standard's examples and beside another implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.core.exceptions import LDAPSASLPrepError
from ldap3.protocol.sasl.sasl import sasl_prep

from nmsd.wire.errors import BadSyntax
from nmsd.wire.sasl.prepare import LONGEST_PREPARED, saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")],  # RFC 4013 §3
)
def test_the_standards_examples(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u06271", "a\u0000b", "\ue000", "\ufffd", "\u202e"])
def test_what_is_forbidden(text: str) -> None:
    with pytest.raises(BadSyntax):
        saslprep(text)


def test_spaces_of_all_kinds_are_spaces_and_new_letters_pass() -> None:
    assert saslprep("a\u00a0b\u3000c") == "a b c"
    assert saslprep("\U0001f600") == "\U0001f600"


@given(st.text(max_size=12))
def test_another_implementation_prepares_alike(text: str) -> None:
    try:
        expected = sasl_prep(text)
    except LDAPSASLPrepError:
        return  # it is stricter with what Unicode 3.2 had not assigned
    assert saslprep(text) == expected


def test_text_that_takes_work_may_be_so_long_and_no_longer() -> None:
    marks = "a" + "\u0315\u0300" * (LONGEST_PREPARED // 2)
    assert len(saslprep(marks[:LONGEST_PREPARED])) >= LONGEST_PREPARED - 1
    with pytest.raises(BadSyntax, match="too long"):
        saslprep(marks)
    assert saslprep("a" * 100_000) == "a" * 100_000
