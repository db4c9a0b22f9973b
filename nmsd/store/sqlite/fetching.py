"""Fetching: one SELECT gives ready tuples for some hundred messages; between the slices nothing is held."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nmsd.model.message import Field
from nmsd.model.uidset import UidSet
from nmsd.store.sqlite.bodies import rest
from nmsd.store.sqlite.cache import OpenAccount, Read
from nmsd.store.sqlite.database import snapshot
from nmsd.store.sqlite.ranges import conditions, spans
from nmsd.store.sqlite.reading import uids
from nmsd.store.sqlite.schema import CHUNK

ROWS: Final = 512
"""Messages read in one step: about a millisecond where summaries are read, a third of that for flags."""

CONTENT_BYTES: Final = 1 << 20
"""Message bytes read in one step, unless a single message has more."""

_COLUMNS: Final = {
    Field.FLAGS: "m.flags",
    Field.MODSEQ: "m.modseq",
    Field.SIZE: "m.size",
    Field.INTERNAL_DATE: "m.date",
    Field.INTERNAL_EPOCH: "m.epoch",
    Field.SAVE_EPOCH: "m.save_epoch",
    Field.ENVELOPE: "d.envelope",
    Field.BODY: "d.body",
    Field.BODYSTRUCTURE: "d.bodystructure",
    Field.PARTS: "d.parts",
    Field.EMAIL_ID: "d.email_id",
    Field.HEADER: "c.header",
    Field.TEXT: "c.text",
}
_CONTENT: Final = frozenset((Field.HEADER, Field.TEXT))


def fetch(read: Read, mailbox_id: int, wanted: UidSet, fields: Sequence[Field]) -> Iterator[list[tuple[Any, ...]]]:
    """Slices of rows (uid, *fields), ascending by UID.  `read` runs a step on the account's reader."""
    plan = _Plan(mailbox_id, fields)
    existing: UidSet | None = None
    if len(wanted) > ROWS:  # fewer are asked for by number, whether they exist or not
        existing = read(lambda opened, connection: uids(opened, connection, mailbox_id))
        wanted = wanted & existing
    for first in range(1, len(wanted) + 1, ROWS):
        piece = wanted.slice(first, first + ROWS - 1)
        for portion in plan.portions(read, piece, existing) if plan.has_content else [piece]:
            rows = plan.rows(read, portion, existing)
            if rows:
                yield rows


class _Plan:
    """The SQL for some fields: the columns after the UID, and the tables they come from."""

    def __init__(self, mailbox_id: int, fields: Sequence[Field]) -> None:
        columns = [_COLUMNS[field] for field in fields]
        tables = {column[0] for column in columns}
        self._mailbox_id = mailbox_id
        self.has_content = not _CONTENT.isdisjoint(fields)
        self._text_at = [place for place, field in enumerate(fields, 1) if field is Field.TEXT]
        if self._text_at:
            columns.append("m.body_id")
        # CROSS JOIN keeps SQLite from beginning with another table than `message`.
        self._select = (
            f"SELECT {', '.join(['m.uid', *columns])} FROM message m"
            + (" CROSS JOIN digest d USING (body_id)" if "d" in tables else "")
            + (" CROSS JOIN content c USING (body_id)" if "c" in tables else "")
            + " WHERE m.mailbox_id = ? AND m."
        )

    def rows(self, read: Read, piece: UidSet, existing: UidSet | None) -> list[tuple[Any, ...]]:
        """The rows of these messages, in one step."""

        def step(opened: OpenAccount, connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            if self._text_at:
                return snapshot(connection, lambda reader: [self._whole(reader, row) for row in found(reader)])
            return found(connection)

        def found(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return self._query(connection, self._select, piece, existing)

        return read(step)

    def portions(self, read: Read, piece: UidSet, existing: UidSet | None) -> Iterator[UidSet]:
        """The messages cut into runs that hold at most CONTENT_BYTES together, or are single."""
        select = "SELECT m.uid, m.size FROM message m WHERE m.mailbox_id = ? AND m."
        sizes = read(lambda opened, connection: self._query(connection, select, piece, existing))
        first = last = total = 0
        for uid, size in sizes:
            if first and total + size > CONTENT_BYTES:
                yield piece.between(first, last)
                first = total = 0
            first = first or uid
            last = uid
            total += size
        if first:
            yield piece.between(first, last)

    def _query(
        self, connection: sqlite3.Connection, select: str, piece: UidSet, existing: UidSet | None
    ) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for condition, values in conditions(piece.ranges() if existing is None else spans(piece, existing)):
            rows += connection.execute(f"{select}{condition} ORDER BY m.uid", (self._mailbox_id, *values)).fetchall()
        return rows

    def _whole(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row with all of its text, and without the body's id behind it."""
        values = list(row[:-1])
        for place in self._text_at:
            if len(values[place]) == CHUNK:
                values[place] = b"".join([values[place], *rest(connection, row[-1], values[place])])
        return tuple(values)
