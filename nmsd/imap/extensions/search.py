"""The search keys every IMAP server has; extensions add theirs as SearchKey rows."""

from typing import Final

from nmsd.imap.registry import Extension
from nmsd.imap.search.keys import KEYS

EXTENSION: Final[Extension] = Extension(9051, search_keys=KEYS)
