"""SEARCHRES (RFC 5182, RFC 9051 §6.4.4.1): RETURN (SAVE).  "$" itself is read by Session.chosen."""

from typing import Final

from nmsd.imap.extensions.esearch import no_value
from nmsd.imap.registry import Extension, ReturnOption

EXTENSION: Final[Extension] = Extension(
    5182, (b"SEARCHRES",), search_returns=(ReturnOption(b"SAVE", no_value, saves=True),)
)
