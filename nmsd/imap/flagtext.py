"""Flags as IMAP text, made once for each combination that occurs."""

from __future__ import annotations

from nmsd.model.flags import flag_names

_CACHE_MAX = 4096


class FlagWriter:
    """Renders flag lists; shared by all sessions of a worker."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: dict[tuple[str, ...], dict[int, bytes]] = {}

    def table(self, keywords: tuple[str, ...]) -> dict[int, bytes]:
        """The cache for one keyword table: flags to their text, for loops that look up by themselves."""
        table = self._tables.get(keywords)
        if table is None:
            if len(self._tables) >= _CACHE_MAX:
                self._tables.clear()
            table = self._tables[keywords] = {}
        return table

    def write(self, flags: int, keywords: tuple[str, ...], recent: bool) -> bytes:
        r"""The flags of a message in parentheses, with \Recent if it is."""
        table = self.table(keywords)
        key = flags << 1 | recent
        text = table.get(key)
        if text is None:
            if len(table) >= _CACHE_MAX:
                table.clear()
            names = flag_names(flags, keywords)
            if recent:
                names.append("\\Recent")
            text = table[key] = b"(" + " ".join(names).encode("ascii") + b")"
        return text
