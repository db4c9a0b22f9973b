"""IMAP section numbers to places in a message (RFC 3501 §6.4.5)."""

from __future__ import annotations

from nmsd.mime.parts import Part


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part with this number, the root for (), None if there is none.

    In a multipart numbers count its parts, in a message/rfc822 those of the message in it; a message that is no
    multipart is its own part 1.
    """
    part = root
    whole_message = True  # whether the number before named a message, whose only part may be itself
    for number in path:
        if not whole_message and part.message is not None:
            part = part.message
            whole_message = True
        if part.type == "multipart":
            if not 1 <= number <= len(part.children):
                return None
            part = part.children[number - 1]
        elif not whole_message or number != 1:
            return None
        whole_message = False
    return part


def locate(root: Part, path: tuple[int, ...], what: str) -> tuple[int, int] | None:
    """(offset, length) of a section; `what` is '', 'HEADER', 'TEXT' or 'MIME'.  None if the message has no such section
    (no such part; HEADER or TEXT of a part that is no message; MIME without a part number)."""
    part = find(root, path)
    if part is None:
        return None
    if what == "MIME":
        return (part.header_offset, part.header_size) if path else None
    if what == "":
        return (part.body_offset, part.body_size) if path else (0, part.header_size + part.body_size)
    message = part.message if path else root
    if message is None:
        return None
    if what == "HEADER":
        return message.header_offset, message.header_size
    return message.body_offset, message.body_size
