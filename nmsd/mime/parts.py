"""The tree of a message's parts, with offsets into the message (RFC 2046 §5.1, RFC 2045 §5).

One pass over the message: the scanner goes from line to line that begins with two dashes and looks it up among the
boundaries of the multiparts it is in.  So the work is linear however deep the nesting; nothing here recurses.

What broken messages come to: a multipart without a boundary is text/plain; one in which its boundary never comes has
all of its body as one text/plain part; a missing last boundary ends with the message or with an outer boundary; a
boundary in a header ends it; past the limits a multipart or message is application/octet-stream, and further parts
belong to the last one.
"""

from __future__ import annotations

from mmap import mmap
from typing import Final

from nmsd.mime.content import FIELDS, MAX_TOKEN, Content
from nmsd.mime.envelope import JOINED_FIELDS, MESSAGE_FIELDS
from nmsd.mime.header import collect
from nmsd.mime.part import Part, pack, unpack
from nmsd.mime.source import Source

__all__ = ["MAX_DEPTH", "MAX_HEADER", "MAX_PARTS", "Node", "Part", "pack", "parse", "scan", "unpack"]

MAX_DEPTH: Final = 100
MAX_PARTS: Final = 10_000
MAX_HEADER: Final = 1 << 20

_MAX_BOUNDARY: Final = 1000  # RFC 2046 §5.1.1 allows 70; a line has 998 at most
_LF: Final = 10
_CR: Final = 13
_ENCLOSED: Final = frozenset(("rfc822", "global"))


class Node:
    """A part with what its header says, while its message is taken apart.

    `fields` holds the unfolded values of the fields of interest.  `boundary` is that of an open multipart, b'' for
    anything else; `shadowed` the place of an outer multipart with the same boundary, -1 for none.
    """

    __slots__ = ("base_lines", "boundary", "content", "counts_lines", "fields", "is_digest", "part", "shadowed")

    def __init__(self, part: Part, content: Content, fields: dict[bytes, bytes]) -> None:
        self.part = part
        self.content = content
        self.fields = fields
        self.boundary = b""
        self.shadowed = -1
        self.is_digest = False
        self.counts_lines = False
        self.base_lines = 0
        part.type = content.type.decode("ascii").lower()
        part.subtype = content.subtype.decode("ascii").lower()
        part.encoding = content.encoding.decode("ascii").lower()
        if part.type == "text":
            charset = content.parameter(b"charset")
            if charset is not None:
                part.charset = charset[:MAX_TOKEN].decode("latin-1").lower()

    def become(self, type_name: bytes, subtype: bytes) -> None:
        """Shows the part as another type than its header says."""
        self.content.type = type_name
        self.content.subtype = subtype
        self.part.type = type_name.decode("ascii")
        self.part.subtype = subtype.decode("ascii")


def parse(
    data: bytes | mmap, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS, max_header: int = MAX_HEADER
) -> Part:
    """The root of the message's part tree.  Of each header the first `max_header` bytes are read.  Never raises."""
    return scan(data, max_depth, max_parts, max_header)[0].part


def scan(data: bytes | mmap, max_depth: int, max_parts: int, max_header: int) -> list[Node]:
    """All parts with what their headers say, each before its children."""
    scanner = _Scanner(data, max_depth, max_parts, max_header)
    scanner.run()
    return scanner.nodes


class _Scanner:
    """The pass over one message.  `open` holds the parts the current position is in, from the root inwards."""

    def __init__(self, data: bytes | mmap, max_depth: int, max_parts: int, max_header: int) -> None:
        self.source = Source(data)
        self.data = data
        self.size = len(data)
        self.max_depth = max_depth
        self.max_parts = max_parts
        self.max_header = max_header
        self.nodes: list[Node] = []
        self.open: list[Node] = []
        self.boundaries: dict[bytes, int] = {}  # boundary to place in `open`
        # The next line with two dashes and the next empty line: both searches may look far ahead of where we are.
        self.dashes = -2
        self.blank = -2
        self.blank_end = 0
        # Line ends up to an offset, counted only while an open part wants to know its lines.
        self.counted_to = 0
        self.line_ends = 0
        self.line_users = 0
        # What next_boundary found.
        self.found_at = 0
        self.found_end = 0
        self.found_place = 0
        self.found_closing = False

    def run(self) -> None:
        position = self.begin(0, True, False)
        while self.boundaries and self.next_boundary(position, self.size):
            position = self.found_end
            if not self.found_closing and len(self.nodes) >= self.max_parts:
                continue
            self.close(self.found_place + 1, self.before_line(self.found_at))
            parent = self.open[-1]
            if self.found_closing:
                self.forget_boundary(parent)
            else:
                position = self.begin(position, False, parent.is_digest)
        self.close(0, self.size)

    def before_line(self, start: int) -> int:
        """Where the line before the one at `start` ends, its line end not counted: that belongs to the boundary."""
        if start > 0 and self.data[start - 1] == _LF:
            start -= 1
            if start > 0 and self.data[start - 1] == _CR:
                start -= 1
        return start

    def begin(self, start: int, is_message: bool, default_message: bool) -> int:
        """Opens the part whose header begins at `start`, and what is nested in it; returns where the body begins."""
        while True:
            body = self.header_end(start)
            header = self.data[start : min(body, start + self.max_header)]
            fields = collect(header, MESSAGE_FIELDS if is_message else FIELDS, JOINED_FIELDS)
            node = Node(Part(start, body - start, body, 0), Content(fields, default_message), fields)
            self.add(node)
            self.open.append(node)
            part = node.part
            if part.type == "multipart":
                self.open_multipart(node)
            nested = part.type == "message" and part.subtype in _ENCLOSED
            if nested and not self.has_room():
                node.become(b"application", b"octet-stream")
                nested = False
            if part.type == "text" or part.type == "message":
                node.counts_lines = True
                node.base_lines = self.lines_at(body)
                self.line_users += 1
            if not nested:
                return body
            start = body
            is_message = True
            default_message = False

    def add(self, node: Node) -> None:
        """Puts a new part below the innermost open one."""
        if self.open:
            parent = self.open[-1].part
            if parent.type == "multipart":
                parent.children.append(node.part)
            else:
                parent.message = node.part
        self.nodes.append(node)

    def open_multipart(self, node: Node) -> None:
        """Starts looking for the boundary of a multipart, the newest open part."""
        boundary = (node.content.parameter(b"boundary") or b"")[:_MAX_BOUNDARY].rstrip(b" \t\r\n")
        if not boundary:
            node.content.parameters = []
            node.become(b"text", b"plain")
        elif not self.has_room():
            node.become(b"application", b"octet-stream")
        else:
            node.boundary = boundary
            node.is_digest = node.part.subtype == "digest"
            node.shadowed = self.boundaries.get(boundary, -1)
            self.boundaries[boundary] = len(self.open) - 1

    def has_room(self) -> bool:
        """Whether the newest open part may have parts of its own."""
        return len(self.open) < self.max_depth and len(self.nodes) < self.max_parts

    def forget_boundary(self, node: Node) -> None:
        """Stops looking for the boundary of a multipart that has ended."""
        if node.shadowed >= 0:
            self.boundaries[node.boundary] = node.shadowed
        else:
            del self.boundaries[node.boundary]
        node.boundary = b""

    def close(self, place: int, end: int) -> None:
        """Ends the open parts from `place` inwards at the offset `end`."""
        while len(self.open) > place:
            node = self.open[-1]
            part = node.part
            part.body_size = max(end - part.body_offset, 0)
            if node.boundary:
                self.forget_boundary(node)
            if part.type == "multipart" and not part.children:
                self.add_only_child(part)
            if node.counts_lines:
                part.lines = self.lines_at(part.body_offset + part.body_size) - node.base_lines
                self.line_users -= 1
            self.open.pop()

    def add_only_child(self, parent: Part) -> None:
        """Gives the innermost open multipart, in which no boundary was found, the part it must have: all of its body
        as text."""
        fields: dict[bytes, bytes] = {}
        node = Node(Part(parent.body_offset, 0, parent.body_offset, parent.body_size), Content(fields), fields)
        node.part.lines = self.source.count_lines(parent.body_offset, parent.body_offset + parent.body_size)
        self.add(node)

    def lines_at(self, offset: int) -> int:
        """The count of line ends before `offset`, from wherever counting began: only differences mean something."""
        if offset < self.counted_to:  # at most by the line end of a boundary
            return self.line_ends - self.source.count_lines(offset, self.counted_to)
        if self.line_users > 0:
            self.line_ends += self.source.count_lines(self.counted_to, offset)
        self.counted_to = offset
        return self.line_ends

    def header_end(self, start: int) -> int:
        """Where the body begins after the header that begins at `start`: after the empty line or at a boundary."""
        if self.blank != -1 and self.blank < start:
            self.blank, self.blank_end = self.source.find_blank_line(start)
        if self.boundaries and self.next_boundary(start, self.size if self.blank == -1 else self.blank):
            return self.found_at
        return self.size if self.blank == -1 else self.blank_end

    def next_boundary(self, start: int, limit: int) -> bool:
        """Finds the first line from the line start `start` on, beginning before `limit`, that is a boundary of an open
        multipart (RFC 2046 §5.1.1: two dashes, the boundary, two dashes more for the last one, white space)."""
        while True:
            if self.dashes != -1 and self.dashes < start:
                self.dashes = self.source.find_line_dashes(start)
            at = self.dashes
            if at < 0 or at >= limit:
                return False
            line = self.data[at + 2 : at + _MAX_BOUNDARY + 8]
            line_end = line.find(b"\n")
            if line_end >= 0 or at + 2 + len(line) == self.size:
                text = (line[:line_end] if line_end >= 0 else line).rstrip(b" \t\r")
                place = self.boundaries.get(text, -1)
                closing = False
                if text.endswith(b"--"):
                    closed = self.boundaries.get(text[:-2], -1)
                    if closed > place:  # where both could be meant it is the inner one
                        place = closed
                        closing = True
                if place >= 0:
                    self.found_at = at
                    self.found_end = at + 3 + line_end if line_end >= 0 else self.size
                    self.found_place = place
                    self.found_closing = closing
                    return True
            start = at + 2
