"""mbox files and trees of them.

A message begins at a line "From sender date" at the start of the file or after an empty line.  Lines of the body that
would look so are quoted with ">": in mboxrd those that are quoted already get one more, in mboxo they do not; ">From "
is the same in both.  Content-Length is believed only where another message, or the end, follows that many bytes on.
"""

from __future__ import annotations

import calendar
import hashlib
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from nmsd.migrate.maildir import FORWARDED
from nmsd.migrate.source import Folder, Found, Refused, clean_keyword, level_name
from nmsd.mime.date import parse_date_header
from nmsd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from nmsd.model.mailbox import SEPARATOR, canonical_name
from nmsd.model.message import Instant
from nmsd.wire.newlines import with_crlf

Quoting = Literal["rd", "o", "none"]

_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FROM_LINE: Final = re.compile(
    rb"From (?:[^\r\n]*[ \t])?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ \t]+"
    rb"(?P<month>[A-Z][a-z]{2})[ \t]+(?P<day>[0-9]{1,2})[ \t]+"
    rb"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?[ \t]+"
    rb"(?:[A-Z]{2,5}[ \t]+|(?P<zone>[+-][0-9]{4})[ \t]+)?(?P<year>[0-9]{4})"
    rb"(?:[ \t]+(?P<late_zone>[+-][0-9]{4}))?[^\r\n]*\r?\n"
)
_NEXT: Final = re.compile(rb"(?<=\n)\r?\n(?=From )")
_LAST_GAP: Final = re.compile(rb"(?<=\n)\r?\n\Z")
_QUOTED_RD: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_QUOTED_O: Final = re.compile(rb"^>(From )", re.MULTILINE)
_UNQUOTED: Final = re.compile(rb"^From ", re.MULTILINE)
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*(?:\r?\n[ \t].*)*)(?:\r?\n|\Z)")

# What mailbox programs write into the header for themselves; it says nothing about the message.
_OF_THE_MAILBOX: Final = frozenset(
    (
        b"status",
        b"x-status",
        b"x-keywords",
        b"x-uid",
        b"x-imap",
        b"x-imapbase",
        b"content-length",
        b"x-mozilla-status",
        b"x-mozilla-status2",
        b"x-mozilla-keys",
    )
)
_STATUS_LETTERS: Final = {"R": SEEN, "A": ANSWERED, "F": FLAGGED, "D": DELETED, "T": DRAFT}
_MOZILLA_BITS: Final = ((0x1, SEEN), (0x2, ANSWERED), (0x4, FLAGGED), (0x8, DELETED))
_MOZILLA_FORWARDED: Final = 0x1000
_INTERNAL_SUBJECT: Final = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"


def is_mbox(path: str) -> bool:
    """Whether a file is in mbox format, as far as its first line tells; an empty one may be."""
    try:
        with open(path, "rb") as file:
            start = file.readline(4096)
    except OSError:
        return False
    return not start or _FROM_LINE.match(start) is not None


def find_mboxes(root: str, quoting: Quoting = "rd") -> Iterator[Folder]:
    """The folder that a file is, or those at and below a directory; Thunderbird's NAME.sbd holds the inferiors of
    NAME."""
    if os.path.isfile(root):
        yield _folder(level_name(os.fsencode(os.path.basename(root))), root, quoting)
    else:
        yield from _below(root, "", quoting)


def _below(path: str, name: str, quoting: Quoting) -> Iterator[Folder]:
    for entry in sorted(os.listdir(os.fsencode(path))):
        inner = os.path.join(path, os.fsdecode(entry))
        if entry.startswith(b".") or os.path.islink(inner):
            continue
        level = level_name(entry.removesuffix(b".sbd") if os.path.isdir(inner) else entry.removesuffix(b".mbox"))
        inner_name = canonical_name(name + SEPARATOR + level if name else level)
        if os.path.isdir(inner):
            yield from _below(inner, inner_name, quoting)
        elif os.path.isfile(inner) and is_mbox(inner):
            yield _folder(inner_name, inner, quoting)


def _folder(name: str, path: str, quoting: Quoting) -> Folder:
    return Folder(canonical_name(name), path, _count(path), lambda: _messages(path, quoting))


def _count(path: str) -> int:
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return 1 + sum(1 for _ in _NEXT.finditer(data))


def _messages(path: str, quoting: Quoting) -> Iterator[Found | Refused]:
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not status.st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            seen: dict[str, int] = {}
            for number, (start, end) in enumerate(split_mbox(data), 1):
                origin = f"{path}, message {number}"
                found = _message(data[start:end], quoting, int(status.st_mtime), origin, seen)
                if found is not None:
                    yield found


def split_mbox(data: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where messages are, From line included, the empty line after them not."""
    start = 0
    size = len(data)
    while start < size:
        end, following = _end(data, start, size)
        yield start, end
        start = following


def _end(data: bytes | mmap.mmap, start: int, size: int) -> tuple[int, int]:
    """Where the message that starts here ends, and where the next begins."""
    stated = _stated_end(data, start, size)
    if stated is not None:
        return stated
    position = start
    while True:
        found = _NEXT.search(data, position)
        if found is None:
            return _last_end(data, start, size), size
        if _FROM_LINE.match(data, found.end()):
            return found.start(), found.end()
        position = found.end()


def _last_end(data: bytes | mmap.mmap, start: int, size: int) -> int:
    """Where the file's last message ends: before the empty line that follows it too (RFC 4155 appendix A), but not
    before the one that ends its header."""
    gap = _LAST_GAP.search(data, max(start, size - 4))
    header_end = _HEADER_END.search(data, start)
    return gap.start() if gap and header_end and header_end.end() <= gap.start() else size


def _stated_end(data: bytes | mmap.mmap, start: int, size: int) -> tuple[int, int] | None:
    """The end that Content-Length states, if it fits."""
    header_end = _HEADER_END.search(data, start)
    if header_end is None:
        return None
    length = _content_length(data[start : header_end.start()])
    if length is None:
        return None
    end = header_end.end() + length
    if end == size:
        return end, size
    if not header_end.end() <= end < size:
        return None
    for gap in (b"\r\n", b"\n", b""):
        following = end + len(gap)
        if data[end:following] == gap and (following == size or _FROM_LINE.match(data, following)):
            return end, following
    return None


def _content_length(header: bytes) -> int | None:
    for name, value, _ in _fields(header):
        if name == b"content-length" and value.isdigit() and len(value) < 16:
            return int(value)
    return None


def _fields(header: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(name in lower case, value, the whole as it stands) of each field; what is no field has the name b''."""
    position = 0
    while position < len(header):
        found = _FIELD.match(header, position)
        if found is None:
            end = header.find(b"\n", position) + 1 or len(header)
            yield b"", b"", header[position:end]
            position = end
        else:
            yield found.group(1).lower(), found.group(2).strip(), found.group()
            position = found.end()


@dataclass
class _Marks:
    """What a header says of a message's flags."""

    system_flags: int = 0
    keywords: tuple[str, ...] = ()
    internal: bool = False

    def add_keyword(self, text: str) -> None:
        word = clean_keyword(text)
        if word and word.lower() not in [known.lower() for known in self.keywords]:
            self.keywords += (word,)

    def read(self, name: bytes, value: bytes) -> None:
        text = value.decode("utf-8", "replace")
        if name in (b"status", b"x-status"):
            for letter in text:
                self.system_flags |= _STATUS_LETTERS.get(letter, 0)
        elif name in (b"x-keywords", b"x-mozilla-keys"):
            for word in text.replace(",", " ").split():
                self.add_keyword(word)
        elif name == b"x-mozilla-status":
            try:
                bits = int(text, 16)
            except ValueError:
                return
            for bit, flag in _MOZILLA_BITS:
                if bits & bit:
                    self.system_flags |= flag
            if bits & _MOZILLA_FORWARDED:
                self.add_keyword(FORWARDED)
        elif name == b"subject" and value == _INTERNAL_SUBJECT:
            self.internal = True


def _message(data: bytes, quoting: Quoting, mtime: int, origin: str, seen: dict[str, int]) -> Found | Refused | None:
    """The message, without its From line; None for the one that programs keep their own data in."""
    line = _FROM_LINE.match(data)
    if line is None and not data.startswith(b"From "):
        return Refused(origin, "no mbox: it does not begin with a From line")
    rest = data[line.end() if line else (data.find(b"\n") + 1 or len(data)) :]
    header_end = _HEADER_END.search(rest)
    header = rest[: header_end.start() + 1] if header_end else rest
    if header_end and rest[header_end.start() : header_end.start() + 1] == b"\r":
        header = rest[: header_end.start() + 2]
    body = rest[len(header) :]
    if not rest.strip():
        return Refused(origin, "an empty message")
    marks = _Marks()
    kept: list[bytes] = []
    date = b""
    counted = False
    for name, value, whole in _fields(header):
        marks.read(name, value)
        if name == b"date" and not date:
            date = value
        counted = counted or name == b"content-length"
        if name not in _OF_THE_MAILBOX:
            kept.append(whole)
    if marks.internal and b"X-IMAP" in header:
        return None
    content = with_crlf(b"".join(kept) + _unquote(body, quoting, counted))
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    digest = hashlib.sha256(content).hexdigest()[:32]
    seen[digest] = seen.get(digest, 0) + 1
    instant = (_from_date(line) if line else None) or _header_date(date) or Instant(mtime)
    return Found(
        f"{digest}.{seen[digest]}",
        origin,
        instant,
        len(content),
        lambda: content,
        marks.system_flags,
        marks.keywords,
    )


def _unquote(body: bytes, quoting: Quoting, counted: bool) -> bytes:
    if quoting == "none" or (counted and _UNQUOTED.search(body)):  # where From lines stand bare, nothing was quoted
        return body
    return (_QUOTED_RD if quoting == "rd" else _QUOTED_O).sub(rb"\1", body)


def _from_date(line: re.Match[bytes]) -> Instant | None:
    """The date of a From line; without a zone it is taken for UTC."""
    month = _MONTHS.index(line.group("month")) + 1 if line.group("month") in _MONTHS else 0
    zone = (line.group("zone") or line.group("late_zone") or b"+0000").decode("ascii")
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    offset = -minutes if zone[0] == "-" else minutes
    day, hour, minute, second, year = (
        int(line.group(name) or 0) for name in ("day", "hour", "minute", "second", "year")
    )
    if not month or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60 or not 1900 <= year <= 9999:
        return None
    if offset < -24 * 60 or offset > 24 * 60:
        offset = 0
    return Instant(calendar.timegm((year, month, day, hour, minute, second)) - offset * 60, offset)


def _header_date(value: bytes) -> Instant | None:
    found = parse_date_header(value) if value else None
    return Instant(*found) if found else None
