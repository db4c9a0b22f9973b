"""A message to be searched, in memory or in a mapped file, without copying the file whole."""

from __future__ import annotations

import re
from mmap import mmap
from typing import Final

# How much of a mapped file is looked at in one piece: its own find compares byte by byte.
WINDOW: Final = 1 << 20

_BLANK: Final = re.compile(rb"\n\r?\n")
_LF: Final = 10


class Source:
    """The message's bytes, with the searches that the part scanner makes in them."""

    __slots__ = ("_window", "_window_start", "data", "size")

    def __init__(self, data: bytes | mmap) -> None:
        self.data = data
        self.size = len(data)
        self._window_start = 0
        self._window: bytes = data if isinstance(data, bytes) else data[:WINDOW]

    def find(self, needle: bytes, start: int) -> int:
        """Where `needle` comes next at or after `start`; -1 for nowhere."""
        while True:
            offset = start - self._window_start
            if offset < 0 or offset >= len(self._window):
                self._window_start = start
                self._window = self.data[start : start + WINDOW]
                offset = 0
            found = self._window.find(needle, offset)
            if found >= 0:
                return self._window_start + found
            end = self._window_start + len(self._window)
            if end >= self.size:
                return -1
            start = max(start, end - len(needle) + 1)
            self._window_start = start
            self._window = self.data[start : start + WINDOW]

    def count_lines(self, start: int, end: int) -> int:
        """How many line ends lie between two offsets."""
        data = self.data
        if isinstance(data, bytes):
            return data.count(b"\n", start, end)
        lines = 0
        while start < end:
            lines += data[start : min(start + WINDOW, end)].count(b"\n")
            start += WINDOW
        return lines

    def find_blank_line(self, start: int) -> tuple[int, int]:
        """The first empty line from the line start `start` on: (its beginning, its end); (-1, size) for none."""
        data = self.data
        first = data[start : start + 2]
        if first[:1] == b"\n":
            return start, start + 1
        if first == b"\r\n":
            return start, start + 2
        match = _BLANK.search(data, start)
        if match is None:
            return -1, self.size
        return match.start() + 1, match.end()
