"""One part of a message, and its packed form."""

from __future__ import annotations

from struct import Struct, error
from typing import Final


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


# A version byte, then each part before its children: header offset, header size, body size, lines; number of children,
# whether a message is nested in it, lengths of the four names; the names.  The second version is for 4 GB and more.
_SMALL: Final = Struct("<IIIIHBBBBB")
_LARGE: Final = Struct("<QQQQHBBBBB")
_VERSION_SMALL: Final = b"\x01"
_VERSION_LARGE: Final = b"\x02"


def pack(part: Part) -> bytes:
    """The tree as bytes, for `unpack`."""
    small = part.header_size + part.body_size < 1 << 32
    layout = _SMALL if small else _LARGE
    pieces: list[bytes] = [_VERSION_SMALL if small else _VERSION_LARGE]
    waiting = [part]
    while waiting:
        part = waiting.pop()
        names = (
            part.type.encode("latin-1"),
            part.subtype.encode("latin-1"),
            part.charset.encode("latin-1"),
            part.encoding.encode("latin-1"),
        )
        nested = part.message
        pieces.append(
            layout.pack(
                part.header_offset,
                part.header_size,
                part.body_size,
                part.lines,
                len(part.children),
                0 if nested is None else 1,
                len(names[0]),
                len(names[1]),
                len(names[2]),
                len(names[3]),
            )
        )
        pieces.extend(names)
        if nested is not None:
            waiting.append(nested)
        elif part.children:
            waiting.extend(reversed(part.children))
    return b"".join(pieces)


def unpack(packed: bytes) -> Part:
    """The tree that was packed.  Raises ValueError if these bytes are none."""
    version = packed[:1]
    if version != _VERSION_SMALL and version != _VERSION_LARGE:
        raise ValueError("not a packed part tree")
    layout = _SMALL if version == _VERSION_SMALL else _LARGE
    root: Part | None = None
    open_parts: list[Part] = []  # those that lack children, and how many
    missing: list[int] = []
    position = 1
    size = len(packed)
    while root is None or open_parts:
        try:
            fields = layout.unpack_from(packed, position)
        except error:
            raise ValueError("packed part tree is cut short") from None
        position += layout.size
        header_offset: int = fields[0]
        header_size: int = fields[1]
        count: int = fields[4]
        nested: int = fields[5]
        part = Part(header_offset, header_size, header_offset + header_size, fields[2])
        part.lines = fields[3]
        names: list[str] = []
        for length in fields[6:]:
            names.append(packed[position : position + length].decode("latin-1"))
            position += length
        part.type, part.subtype, part.charset, part.encoding = names
        if root is None:
            root = part
        else:
            parent = open_parts[-1]
            if missing[-1] < 0:
                parent.message = part
                missing[-1] = 0
            else:
                parent.children.append(part)
                missing[-1] -= 1
            if missing[-1] == 0:
                open_parts.pop()
                missing.pop()
        if nested:
            open_parts.append(part)
            missing.append(-1)
        elif count:
            open_parts.append(part)
            missing.append(count)
    if position != size:
        raise ValueError("packed part tree has the wrong length")
    return root
