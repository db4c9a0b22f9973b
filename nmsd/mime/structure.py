"""BODY and BODYSTRUCTURE (RFC 3501 §7.4.2, RFC 9051 §7.5.2)."""

from __future__ import annotations

from nmsd.mime.content import Content, Parameters
from nmsd.mime.envelope import envelope
from nmsd.mime.parts import Node
from nmsd.mime.quote import nstring, string


class _Forms:
    """Both forms of a message, written side by side, part for part.

    What a part with others in it ends with waits on a stack until those have come; so nothing is copied once for each
    level, and nothing recurses.
    """

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.structure: list[bytes] = []
        self.missing: list[int] = []
        self.body_ends: list[bytes] = []
        self.structure_ends: list[bytes] = []

    def write(self, body: bytes, structure: bytes) -> None:
        """Writes the same place of either form."""
        self.body.append(body)
        self.structure.append(structure)

    def open(self, parts: int, body_end: bytes, structure_end: bytes) -> None:
        """Says that so many parts follow, and what comes after them."""
        self.missing.append(parts)
        self.body_ends.append(body_end)
        self.structure_ends.append(structure_end)

    def ended(self) -> None:
        """Says that a part is complete; so may be those it lies in."""
        while self.missing:
            self.missing[-1] -= 1
            if self.missing[-1] > 0:
                return
            self.missing.pop()
            self.write(self.body_ends.pop(), self.structure_ends.pop())


def structures(nodes: list[Node], max_addresses: int) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE of a message whose parts these are, each before its children; at most so many addresses of
    a field go into an envelope."""
    forms = _Forms()
    for index, node in enumerate(nodes):
        part = node.part
        content = node.content
        if part.type == "multipart":
            subtype = string(content.subtype)
            extension = b"%b %b" % (_parameters(content.parameters), _common(content))
            forms.write(b"(", b"(")
            forms.open(len(part.children), b" %b)" % subtype, b" %b %b)" % (subtype, extension))
            continue
        basic = b"(%b %b %b %b %b %b %d" % (
            string(content.type),
            string(content.subtype),
            _parameters(_with_charset(content)),
            nstring(content.id),
            nstring(content.description),
            string(content.encoding),
            part.body_size,
        )
        extension = b"%b %b" % (nstring(content.md5), _common(content))
        if part.message is not None:
            start = b"%b %b " % (basic, envelope(nodes[index + 1].fields, max_addresses))
            forms.write(start, start)
            forms.open(1, b" %d)" % part.lines, b" %d %b)" % (part.lines, extension))
            continue
        if part.type == "text":
            basic = b"%b %d" % (basic, part.lines)
        forms.write(basic + b")", b"%b %b)" % (basic, extension))
        forms.ended()
    return b"".join(forms.body), b"".join(forms.structure)


def _with_charset(content: Content) -> Parameters:
    # RFC 2046 §4.1.2: text/plain without a charset is US-ASCII.
    if content.type.lower() != b"text" or content.subtype.lower() != b"plain":
        return content.parameters
    for name, _ in content.parameters:
        if name.lower() in (b"charset", b"charset*"):
            return content.parameters
    return [*content.parameters, (b"charset", b"us-ascii")]


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in parameters])


def _common(content: Content) -> bytes:
    """What the extension data of all parts ends with: disposition, language, location."""
    disposition = b"NIL"
    parsed = content.parsed_disposition()
    if parsed is not None:
        disposition = b"(%b %b)" % (string(parsed[0]), _parameters(parsed[1]))
    language = b"NIL"
    tags = content.languages()
    if tags:
        language = b"(%b)" % b" ".join([string(tag) for tag in tags])
    return b"%b %b %b" % (disposition, language, nstring(content.location))
