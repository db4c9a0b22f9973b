"""MULTIAPPEND (RFC 3502); the work is in commands/append.py."""

from typing import Final

from nmsd.imap.registry import Extension

EXTENSION: Final[Extension] = Extension(3502, (b"MULTIAPPEND",))
