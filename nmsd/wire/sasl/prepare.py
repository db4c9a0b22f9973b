"""SASLprep (RFC 4013): one form for user names and passwords that people take for the same."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable
from typing import Final

from nmsd.wire.errors import BadSyntax

# RFC 4013 §2.3; the non-ASCII spaces of C.1.2 have been mapped to spaces by then.
_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)

LONGEST_PREPARED: Final = 1024
"""Text beyond ASCII may be so long: to put many combining marks in order takes Python time as the square of their
number, and whoever is not logged in may have it prepared."""


def saslprep(text: str) -> str:
    """The prepared text.  Raises BadSyntax for characters that may not be in it, and for text that is too long.

    Characters that Unicode 3.2 had not assigned pass, as in a query (RFC 3454 §7): a password with a newer one is a
    password all the same.
    """
    if text.isascii() and text.isprintable():
        return text
    if len(text) > LONGEST_PREPARED:
        raise BadSyntax("User name or password too long")
    mapped = "".join(" " if stringprep.in_table_c12(sign) else sign for sign in text)
    mapped = "".join(sign for sign in mapped if not stringprep.in_table_b1(sign))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for sign in prepared:
        for is_prohibited in _PROHIBITED:
            if is_prohibited(sign):
                raise BadSyntax("Forbidden character in user name or password")
    _check_directions(prepared)
    return prepared


def _check_directions(text: str) -> None:
    """RFC 3454 §6: text with letters that go from right to left has no others, and one at each end."""
    if not any(stringprep.in_table_d1(sign) for sign in text):
        return
    at_ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not at_ends or any(stringprep.in_table_d2(sign) for sign in text):
        raise BadSyntax("Mixed directions of writing in user name or password")
