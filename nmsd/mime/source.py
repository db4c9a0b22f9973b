"""A message to be searched, in memory or in a mapped file, without copying the file whole."""

from __future__ import annotations

import re
from mmap import mmap
from typing import Final

# How much of a mapped file is looked at in one piece: its own find compares byte by byte.
WINDOW: Final = 1 << 20

# How far is sought for dashes at a line start before the faster search for any dash is tried again.
_STRETCH: Final = 1 << 12

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

    def find(self, needle: bytes, start: int, end: int) -> int:
        """Where `needle` comes next, whole, between two offsets; -1 for nowhere."""
        while True:
            offset = start - self._window_start
            if offset < 0 or offset >= len(self._window):
                self._move(start)
                offset = 0
            found = self._window.find(needle, offset, max(end - self._window_start, 0))
            if found >= 0:
                return self._window_start + found
            window_end = self._window_start + len(self._window)
            if window_end >= end or window_end >= self.size:
                return -1
            start = max(start, window_end - len(needle) + 1)
            self._move(start)

    def _move(self, start: int) -> None:
        self._window_start = start
        self._window = self.data[start : start + WINDOW]

    def find_line_dashes(self, start: int) -> int:
        """The first line from the line start `start` on that begins with two dashes; -1 for none."""
        if start == 0:
            if self.data[:2] == b"--":
                return 0
            start = 1
        while True:
            # One byte is sought many times faster than three, and base64 has no dashes at all.
            dash = self.find(b"-", start, self.size)
            if dash < 0:
                return -1
            end = dash + _STRETCH
            found = self.find(b"\n--", dash - 1, end)
            if found >= 0:
                return found + 1
            start = end - 1

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
