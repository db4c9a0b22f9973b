"""The tree of a message's parts, with offsets into the message; packed for the store."""

from __future__ import annotations

from mmap import mmap
from typing import Final

MAX_DEPTH: Final = 100
MAX_PARTS: Final = 10_000


class Part:
    """One part of a message, or the message itself (the root), or a message inside a message/rfc822 part.

    Offsets count from the start of the whole message.  The header runs from `header_offset` for `header_size` bytes,
    its closing empty line included; the body follows at `body_offset`, for `body_size` bytes (still encoded).  `lines`
    is the body's number of line ends, counted only for text and message parts, else 0.  `type`, `subtype`, `charset`
    and `encoding` are in lower case; `charset` is '' where none is given, `encoding` then is '7bit'.  A multipart has
    at least one of `children`; a message/rfc822 or message/global part that was taken apart has the nested message's
    root in `message`.
    """

    __slots__ = (
        "body_offset",
        "body_size",
        "charset",
        "children",
        "encoding",
        "header_offset",
        "header_size",
        "lines",
        "message",
        "subtype",
        "type",
    )

    def __init__(self, header_offset: int, header_size: int, body_offset: int, body_size: int) -> None:
        self.header_offset = header_offset
        self.header_size = header_size
        self.body_offset = body_offset
        self.body_size = body_size
        self.lines = 0
        self.type = "text"
        self.subtype = "plain"
        self.charset = ""
        self.encoding = "7bit"
        self.children: list[Part] = []
        self.message: Part | None = None


def parse(data: bytes | mmap, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS) -> Part:
    """The root of the message's part tree.  Never raises."""
    raise NotImplementedError


def pack(part: Part) -> bytes:
    """The tree as bytes, for `unpack`."""
    raise NotImplementedError


def unpack(packed: bytes) -> Part:
    """The tree that was packed.  Raises ValueError if these bytes are none."""
    raise NotImplementedError
