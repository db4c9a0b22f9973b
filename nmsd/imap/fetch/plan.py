"""How a FETCH's parts are got and written: worked out once for the command, then run over slices of rows.

The plain parts (a template and one field each) are one %-format a message; the store's rows are (uid, FLAGS if asked,
the other plain fields, the fields of the rest, TEXT last), so that writing is hardly more than putting them in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nmsd.imap.errors import Bye
from nmsd.imap.fetch.items import FLAGS, UID
from nmsd.imap.fetch.section import Gone
from nmsd.imap.registry import FetchPart, FetchRow
from nmsd.imap.session import Session
from nmsd.imap.view import View
from nmsd.model.message import Field
from nmsd.model.uidset import UidSet

_FLUSH_BYTES: Final = 1 << 17

Row = tuple[Any, ...]


class Positions:
    """Sequence numbers of ascending UIDs, found by walking the view's ranges; and whether they are recent."""

    __slots__ = ("_ends", "_place", "_recent", "_recent_low", "_starts", "_told", "high", "low", "shift")

    def __init__(self, session: Session, view: View) -> None:
        ranges = view.uids.ranges()
        self._starts: list[int] = [low for low, _ in ranges]
        self._ends: list[int] = [high for _, high in ranges]
        self._place: int = -1
        self.low: int = 0
        self.high: int = -1
        self.shift: int = 0
        """In the current range, a UID less its sequence number."""
        self._recent: UidSet = view.recent if session.is_recent_told() else UidSet()
        self._recent_low: int = self._recent.low or 1 << 62

    def seq(self, uid: int) -> int:
        """The sequence number; 0 for a UID that is not in the view."""
        while uid > self.high:
            place = self._place + 1
            if place == len(self._starts):
                return 0
            seq = self.high - self.shift + 1 if place else 1
            self._place = place
            self.low = self._starts[place]
            self.high = self._ends[place]
            self.shift = self.low - seq
        return uid - self.shift if uid >= self.low else 0

    def is_recent(self, uid: int) -> bool:
        r"""Whether the client is to see \Recent on this message."""
        return uid >= self._recent_low and uid in self._recent


class _Rest:
    """A part without a template, and where in a row its values are."""

    __slots__ = ("part", "places")

    def __init__(self, part: FetchPart, places: list[int]) -> None:
        self.part = part
        self.places = places


class Plan:
    """What to ask the store for, and how to write it.

    `always` are the parts asked for; `changed` those that come besides where \\Seen was set on the way.  `fields` goes
    to the store; for messages above `text_limit` bytes all but TEXT, which is the last if it is there.
    """

    __slots__ = (
        "_changed",
        "_closed",
        "_has_flags",
        "_has_uid",
        "_line",
        "_plain_end",
        "_rest",
        "fields",
        "sets_seen",
        "text_limit",
    )

    def __init__(self, parts: list[FetchPart], changed: list[FetchPart]) -> None:
        self.sets_seen: bool = bool(changed)
        names = {part.name for part in parts}
        extra = [part for part in changed if part.name not in names]
        plain = [part for part in parts if part.template and part is not UID and part is not FLAGS]
        rest = [part for part in parts if not part.template]
        self._has_uid: bool = UID in parts
        self._has_flags: bool = FLAGS in parts
        fields: list[Field] = [Field.FLAGS] if self._has_flags else []
        fields.extend(part.fields[0] for part in plain)
        self._plain_end: int = 1 + len(fields)
        wanted: list[Field] = [Field.FLAGS] if self.sets_seen else []
        for part in [*rest, *extra]:
            wanted.extend(part.fields)
        for field in wanted:
            if field not in fields and field is not Field.TEXT:
                fields.append(field)
        if Field.TEXT in wanted:
            fields.append(Field.TEXT)
        self.fields: tuple[Field, ...] = tuple(fields)
        templates = [UID.template] if self._has_uid else []
        if self._has_flags:
            templates.append(FLAGS.template)
        templates.extend(part.template for part in plain)
        self.text_limit: int = max([part.text_limit for part in rest], default=0)
        self._closed: bool = not rest and not extra
        self._line: bytes = b"* %d FETCH (" + b" ".join(templates) + (b")\r\n" if self._closed else b"")
        self._rest: list[_Rest] = [_Rest(part, self._places(part)) for part in rest]
        self._changed: list[_Rest] = [_Rest(part, self._places(part)) for part in extra]

    def _places(self, part: FetchPart) -> list[int]:
        return [self.place(field) for field in part.fields]

    def place(self, field: Field) -> int:
        """Where in a row this field is; 0 if it is not asked for."""
        return self.fields.index(field) + 1 if field in self.fields else 0

    def has_text(self) -> bool:
        """Whether the messages' texts are wanted whole."""
        return Field.TEXT in self.fields

    def write(
        self, row: FetchRow, rows: list[Row], positions: Positions, changed: dict[int, int], gone: list[int]
    ) -> Iterator[bytes]:
        r"""The answers for a slice.  `changed` holds the UIDs on which \Seen was just set; those of messages that turn
        out to be gone are added to `gone`."""
        if self._closed:
            yield self._write_plain(row.session, rows, positions)
        else:
            yield from self._write_all(row, rows, positions, changed, gone)

    def _write_plain(self, session: Session, rows: list[Row], positions: Positions) -> bytes:
        lines: list[bytes] = []
        write = session.shared.flags.write
        keywords = session.selected().keywords
        table = session.shared.flags.table(keywords)
        line = self._line
        has_uid = self._has_uid
        has_more = self._plain_end > (2 if self._has_flags else 1)
        if not self._has_flags:
            for row in rows:
                seq = positions.seq(row[0])
                if seq:
                    lines.append(line % ((seq, *row) if has_uid else (seq, *row[1:])))
            return b"".join(lines)
        for row in rows:
            uid: int = row[0]
            seq = positions.seq(uid)
            if not seq:
                continue
            flags: int = row[1]
            recent = positions.is_recent(uid)
            text = table.get(flags << 1 | recent)
            if text is None:
                text = write(flags, keywords, recent)
            if has_more:
                lines.append(line % ((seq, uid, text, *row[2:]) if has_uid else (seq, text, *row[2:])))
            else:
                lines.append(line % ((seq, uid, text) if has_uid else (seq, text)))
        return b"".join(lines)

    def _head(self, row: FetchRow, values: Row, positions: Positions) -> bytes:
        """The line of a message, up to where the rest begins."""
        head: Row = (row.seq, row.uid) if self._has_uid else (row.seq,)
        if not self._has_flags:
            return self._line % (head + values[1 : self._plain_end])
        text = row.session.shared.flags.write(values[1], row.view.keywords, positions.is_recent(row.uid))
        return self._line % (*head, text, *values[2 : self._plain_end])

    def _write_all(
        self, row: FetchRow, rows: list[Row], positions: Positions, changed: dict[int, int], gone: list[int]
    ) -> Iterator[bytes]:
        bare = self._line.endswith(b"(")
        out: list[bytes] = []
        size = 0
        for values in rows:
            uid: int = values[0]
            seq = positions.seq(uid)
            if not seq:
                continue
            row.uid = uid
            row.seq = seq
            begun = len(out)
            flushed = False
            out.append(self._head(row, values, positions))
            first = bare
            try:
                for rest in self._rest:
                    write = rest.part.write
                    assert write is not None
                    if not first:
                        out.append(b" ")
                    first = False
                    for piece in write(row, tuple([values[place] for place in rest.places])):
                        out.append(piece)
                        size += len(piece)
                        if size >= _FLUSH_BYTES:
                            yield b"".join(out)
                            out = []
                            size = 0
                            flushed = True
            except Gone:
                if flushed:
                    raise Bye("A message was expunged while it was being sent") from None
                del out[begun:]
                gone.append(uid)
                continue
            if uid in changed:
                for rest in self._changed:
                    out.append(b" " + self._write_changed(rest, row, values, positions))
            out.append(b")\r\n")
        if out:
            yield b"".join(out)

    def _write_changed(self, rest: _Rest, row: FetchRow, values: Row, positions: Positions) -> bytes:
        if rest.part is UID:
            return UID.template % (row.uid,)
        value = values[rest.places[0]]
        if rest.part is FLAGS:
            value = row.session.shared.flags.write(value, row.view.keywords, positions.is_recent(row.uid))
        return rest.part.template % (value,)
