"""LDIF content files (RFC 2849): read strictly, written back byte for byte but for what was changed.

Not taken: change records and values at URLs (`attr:< file:///…`), which a directory of users has no use for.  Taken
beyond the grammar: UTF-8 in values without base64, as people write it, and CRLF line ends.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final

from nmsd.model.errors import NmsdError

_ATTRIBUTE: Final = re.compile(rb"((?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*):")
_SAFE: Final = re.compile(rb"(?:[^\x00\n\r :<\x80-\xff][^\x00\n\r\x80-\xff]*)?\Z")
_FOLD_AT: Final = 76


class LdifError(NmsdError):
    """The file is no LDIF; the text names the line."""


class Line:
    """A logical line of an entry: `raw` as it stands in the file, ends included; `name` is the attribute's, as written,
    '' for a comment."""

    __slots__ = ("name", "raw", "value")

    def __init__(self, raw: bytes, name: str = "", value: str = "") -> None:
        self.raw = raw
        self.name = name
        self.value = value


class Entry:
    """One entry.  Attribute names are compared without case and without their options (`;lang-en`)."""

    def __init__(self, lines: list[Line]) -> None:
        """`lines` begins with the dn."""
        self._lines = lines

    @property
    def dn(self) -> str:
        """The entry's name."""
        return self._lines[0].value

    def attributes(self) -> dict[str, list[str]]:
        """Values by attribute name in lower case, without options; the dn is none of them."""
        found: dict[str, list[str]] = {}
        for line in self._lines[1:]:
            if line.name:
                found.setdefault(_plain_name(line.name), []).append(line.value)
        return found

    def replace(self, name: str, values: Iterable[str]) -> None:
        """Gives the attribute these values, where its first one stood, or at the end; no values take it away.  Options
        that `name` has are written, but those the old values had do not count."""
        wanted = _plain_name(name)
        place = len(self._lines)
        kept: list[Line] = []
        for line in self._lines:
            if line is not self._lines[0] and _plain_name(line.name) == wanted:
                place = min(place, len(kept))
            else:
                kept.append(line)
        place = min(place, len(kept))
        kept[place:place] = [Line(render_line(name, value), name, value) for value in values]
        self._lines = kept

    def raw(self) -> bytes:
        """The entry as it is written."""
        return b"".join(line.raw for line in self._lines)


class LdifFile:
    """A whole file: entries, and between them what is kept as it is."""

    def __init__(self, pieces: list[Entry | bytes]) -> None:
        self._pieces = pieces

    def entries(self) -> Iterator[Entry]:
        """The entries, in their order."""
        for piece in self._pieces:
            if isinstance(piece, Entry):
                yield piece

    def add(self, dn: str, attributes: Iterable[tuple[str, str]]) -> Entry:
        """A new entry at the end."""
        entry = Entry([Line(render_line(name, value), name, value) for name, value in (("dn", dn), *attributes)])
        before = self.raw()
        if before and not before.endswith(b"\n\n"):
            self._pieces.append(b"\n" if before.endswith(b"\n") else b"\n\n")
        self._pieces.append(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Takes an entry out, with one empty line after it."""
        place = self._pieces.index(entry)
        del self._pieces[place]
        if place < len(self._pieces):
            after = self._pieces[place]
            if isinstance(after, bytes):
                self._pieces[place] = after.removeprefix(b"\r\n").removeprefix(b"\n")

    def raw(self) -> bytes:
        """The file's bytes."""
        return b"".join(piece if isinstance(piece, bytes) else piece.raw() for piece in self._pieces)


def parse_ldif(data: bytes) -> LdifFile:
    """Reads a file.  Raises LdifError."""
    pieces: list[Entry | bytes] = []
    loose: list[bytes] = []
    lines: list[Line] = []
    seen: set[str] = set()

    def end_entry() -> None:
        if lines:
            entry = Entry(list(lines))
            dn = entry.dn.lower()
            if dn in seen:
                raise LdifError(f"line {number}: a second entry {entry.dn!r}")
            seen.add(dn)
            pieces.append(entry)
            lines.clear()

    number = 1
    for raw, count in _logical_lines(data):
        content = _unfold(raw)
        if not content:
            end_entry()
            loose.append(raw)
        elif content.startswith(b"#"):
            if lines:
                lines.append(Line(raw))
            else:
                loose.append(raw)
        else:
            name, value = _parse_line(content, number)
            if not lines:
                if name.lower() == "version" and not seen:
                    if value != "1":
                        raise LdifError(f"line {number}: LDIF version {value!r} is not known")
                    loose.append(raw)
                    number += count
                    continue
                if name.lower() != "dn":
                    raise LdifError(f"line {number}: an entry must begin with dn, not {name}")
                if not value:
                    raise LdifError(f"line {number}: the dn is empty")
                if loose:
                    pieces.append(b"".join(loose))
                    loose.clear()
            elif name.lower() in ("dn", "changetype"):
                raise LdifError(f"line {number}: {name} in the middle of an entry (an empty line missing before it?)")
            lines.append(Line(raw, name, value))
        number += count
    if lines and not lines[-1].raw.endswith(b"\n"):
        lines[-1].raw += b"\n"  # else what is added after it would be part of it
    end_entry()
    if loose:
        pieces.append(b"".join(loose))
    return LdifFile(pieces)


def _logical_lines(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Lines with those that continue them (RFC 2849: they begin with a space), and of how many each consists."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise LdifError("line 1: a byte order mark; save the file as UTF-8 without it")
    current: list[bytes] = []
    for line in BytesIO(data):
        if line.startswith(b" ") and current:
            if not current[0].strip(b"\r\n"):
                raise LdifError("a line that begins with a space follows an empty one")
            current.append(line)
            continue
        if current:
            yield b"".join(current), len(current)
        current = [line]
    if current:
        yield b"".join(current), len(current)


def _unfold(raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    return b"".join((line if place == 0 else line[1:]).removesuffix(b"\r") for place, line in enumerate(lines))


def _parse_line(content: bytes, number: int) -> tuple[str, str]:
    if content.startswith(b" "):
        raise LdifError(f"line {number}: begins with a space, but there is nothing to continue")
    if content == b"-":
        raise LdifError(f"line {number}: a change record; this file holds entries only")
    found = _ATTRIBUTE.match(content)
    if found is None:
        raise LdifError(f"line {number}: no attribute name with a colon after it")
    name = found.group(1).decode("ascii")
    rest = content[found.end() :]
    if rest.startswith(b"<"):
        raise LdifError(f"line {number}: values at URLs are not supported")
    if rest.startswith(b":"):
        try:
            value = b64decode(rest[1:].strip(b" "), validate=True)
        except (binascii.Error, ValueError):
            raise LdifError(f"line {number}: not base64") from None
    else:
        value = rest.lstrip(b" ")
        if b"\0" in value or b"\r" in value:
            raise LdifError(f"line {number}: a control character in a value")
    try:
        return name, value.decode()
    except UnicodeDecodeError:
        if rest.startswith(b":"):
            return name, value.decode("utf-8", "surrogateescape")  # a photograph, a certificate
        raise LdifError(f"line {number}: not UTF-8") from None


def render_line(name: str, value: str) -> bytes:
    """An attribute with a value as lines, in base64 and folded where need be."""
    raw = value.encode("utf-8", "surrogateescape")
    if _SAFE.match(raw) and not raw.endswith(b" "):
        line = name.encode("ascii") + b": " + raw
    else:
        line = name.encode("ascii") + b":: " + b64encode(raw)
    pieces = [line[:_FOLD_AT]]
    pieces += [b" " + line[start : start + _FOLD_AT - 1] for start in range(_FOLD_AT, len(line), _FOLD_AT - 1)]
    return b"\n".join(pieces) + b"\n"


def _plain_name(name: str) -> str:
    return name.partition(";")[0].lower()
