"""Kinds read what people write, refuse the rest with a reason, and write back what they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmsd.config import kinds


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("65535", 65535), (" 143 ", 143)])
def test_a_port_is_from_1_to_65535(text: str, value: int) -> None:
    assert kinds.port().parse(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [("0", "below"), ("-1", "below"), ("65536", "above"), ("", "not a whole"), ("14 3", "not a"), ("1.5", "not")],
)
def test_no_other_number_is_a_port(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        kinds.port().parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("4096", 4096), ("64K", 65536), ("64kb", 65536), ("1 M", 1 << 20), ("2g", 2 << 30)]
)
def test_a_size_may_have_a_unit(text: str, value: int) -> None:
    assert kinds.size(1, 1 << 40).parse(text) == value


@pytest.mark.parametrize("text", ["", "K", "x", "1.5M", "-1", "1P", "2048T"])
def test_what_is_no_size_or_outside_the_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        kinds.size(1, 1 << 40).parse(text)


@given(st.integers(1, 1 << 40))
def test_a_size_is_written_as_it_is_read(count: int) -> None:
    kind = kinds.size(1, 1 << 40)
    assert kind.parse(kind.write(count)) == count


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("On", True), ("1", True), ("no", False), ("FALSE", False), ("off", False)]
)
def test_yes_and_no_have_many_spellings(text: str, value: bool) -> None:
    assert kinds.boolean().parse(text) is value


@pytest.mark.parametrize("text", ["", "maybe", "2"])
def test_what_is_neither_yes_nor_no_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        kinds.boolean().parse(text)


def test_a_choice_is_taken_in_any_case_and_given_as_declared() -> None:
    kind = kinds.choice("Nolog", "Notice")
    assert kind.parse("NOTICE") == "Notice"
    with pytest.raises(ValueError, match="not one of"):
        kind.parse("loud")


def test_text_is_one_line() -> None:
    assert kinds.text().parse("a, b") == "a, b"
    with pytest.raises(ValueError, match="one line"):
        kinds.text().parse("a\nb")
    with pytest.raises(ValueError, match="empty"):
        kinds.text(required=True).parse(" ")


@pytest.mark.parametrize("text", ["0666", "666", "0"])
def test_a_mode_is_octal(text: str) -> None:
    assert kinds.mode().parse(text) == int(text, 8)


@pytest.mark.parametrize("text", ["888", "1777", "-1", "rw", ""])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        kinds.mode().parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ()),
        ("127.0.0.1", ("127.0.0.1",)),
        ("0.0.0.0, ::", ("0.0.0.0", "::")),
        ("mail.example.com", ("mail.example.com",)),
        ("localhost,::1", ("localhost", "::1")),
    ],
)
def test_addresses_are_numbers_or_names(text: str, value: tuple[str, ...]) -> None:
    assert kinds.addresses("any").parse(text) == value


@pytest.mark.parametrize("text", ["256.0.0.1", "1.2.3", "::g", "a b", "-x", "http://x"])
def test_what_can_be_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        kinds.addresses("any").parse(text)
