"""Flags as a client sends them (RFC 9051 §2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from nmsd.imap.errors import No
from nmsd.model.flags import MAX_KEYWORD_LENGTH, split_flags, system_bit
from nmsd.wire.errors import BadSyntax
from nmsd.wire.reader import Reader


def read_flags(reader: Reader) -> tuple[int, tuple[str, ...]]:
    """STORE's flags, in parentheses or without: (system flag bits, keywords).  Raises BadSyntax, No."""
    if reader.peek() == b"(":
        return split_client_flags(reader.flag_list())
    names = [reader.flag()]
    while reader.maybe_space():
        names.append(reader.flag())
    return split_client_flags(names)


def split_client_flags(names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    r"""Flag names apart: (system flag bits, keywords).  Raises BadSyntax for \Recent, which no client may change, and
    No for system flags that there are not and keywords that are too long."""
    for name in names:
        if name.startswith("\\") and not system_bit(name):
            if name.lower() == "\\recent":
                raise BadSyntax("\\Recent cannot be changed")
            raise No(f"There is no flag {name}", b"CANNOT")
        if len(name) > MAX_KEYWORD_LENGTH:
            raise No("Keyword too long", b"LIMIT")
    return split_flags(names)
