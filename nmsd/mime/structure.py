"""BODY and BODYSTRUCTURE (RFC 3501 §7.4.2, RFC 9051 §7.5.2)."""

from __future__ import annotations

from nmsd.mime.content import Content, Parameters
from nmsd.mime.envelope import envelope
from nmsd.mime.parts import Node
from nmsd.mime.quote import nstring, string


def structures(nodes: list[Node]) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE of a message whose parts these are, each before its children.

    It works from the last part to the first, so that what a part needs of its children lies on top of the stack.
    """
    bodies: list[bytes] = []
    structures: list[bytes] = []
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        part = node.part
        content = node.content
        if part.type == "multipart":
            inner: list[bytes] = []
            inner_extended: list[bytes] = []
            for _ in part.children:
                inner.append(bodies.pop())
                inner_extended.append(structures.pop())
            subtype = string(content.subtype)
            bodies.append(b"(%b %b)" % (b"".join(inner), subtype))
            structures.append(
                b"(%b %b %b %b)"
                % (b"".join(inner_extended), subtype, _parameters(content.parameters), _common(content))
            )
            continue
        basic = b"%b %b %b %b %b %b %d" % (
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
            summary = envelope(nodes[index + 1].fields)
            bodies.append(b"(%b %b %b %d)" % (basic, summary, bodies.pop(), part.lines))
            structures.append(b"(%b %b %b %d %b)" % (basic, summary, structures.pop(), part.lines, extension))
        elif part.type == "text":
            bodies.append(b"(%b %d)" % (basic, part.lines))
            structures.append(b"(%b %d %b)" % (basic, part.lines, extension))
        else:
            bodies.append(b"(%b)" % basic)
            structures.append(b"(%b %b)" % (basic, extension))
    return bodies[0], structures[0]


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
