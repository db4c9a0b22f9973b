"""How mailbox names are written."""

from __future__ import annotations

from nmsd.model.mailbox import LONGEST_COMPOSED, canonical_name, composed


def test_a_name_is_composed_unless_it_is_longer_than_names_are() -> None:
    assert composed("u\u0308" * (LONGEST_COMPOSED // 2)) == "ü" * (LONGEST_COMPOSED // 2)
    long = "u\u0308" * (LONGEST_COMPOSED // 2) + "u"
    assert composed(long) == long
    assert canonical_name("inbox/" + long) == "INBOX/" + long
