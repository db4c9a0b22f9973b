"""Search: SQL narrows, then what SQL cannot answer is tested on what is left, headers before whole messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nmsd.mime.parts import Part, parse, unpack
from nmsd.model.search import And, Key
from nmsd.model.uidset import UidSet
from nmsd.store.api import Runtime
from nmsd.store.match import Cost, Matcher, cost, matcher, split
from nmsd.store.sqlite import bodies
from nmsd.store.sqlite.cache import OpenAccount, Read
from nmsd.store.sqlite.database import snapshot
from nmsd.store.sqlite.ranges import conditions, spans
from nmsd.store.sqlite.reading import uids_inside
from nmsd.store.sqlite.rows import read_mailbox_by_id
from nmsd.store.sqlite.searchsql import Expression, is_answered

# How much is looked at before others get a turn: each is a millisecond or two.
_FACT_ROWS: Final = 2048
_DIGEST_ROWS: Final = 512
_HEADER_ROWS: Final = 64
_CONTENT_BYTES: Final = 128 * 1024

_OFFLOAD_BYTES: Final = 1 << 20
"""A single message from this size on is searched in a native thread."""

_MAX_ANSWERED: Final = 64
"""So many keys are put to SQLite, which takes time as the square of their number to plan."""

_DATE_SECONDS: Final = 86400


class Found:
    """A match.Candidate out of the database.  What is dear is read beforehand, for several at once."""

    __slots__ = ("_content", "_header", "_parts", "_row", "body_id", "flags", "modseq", "size", "uid")

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.uid: int = row[0]
        self.flags: int = row[1]
        self.modseq: int = row[2]
        self.size: int = row[3]
        self.body_id: int = row[7]
        self._row = row
        self._header = b""
        self._content = b""
        self._parts = b""

    @property
    def internal_epoch(self) -> int:
        epoch: int = self._row[4]
        return epoch

    @property
    def internal_day(self) -> int:
        day: int = (self._row[4] + self._row[5] * 60) // _DATE_SECONDS
        return day

    @property
    def save_day(self) -> int:
        day: int = self._row[6] // _DATE_SECONDS
        return day

    def sent_day(self) -> int | None:
        day: int | None = self._row[8]
        return day

    def header(self) -> bytes:
        return self._header

    def content(self) -> bytes:
        return self._content

    def root(self) -> Part:
        try:
            return unpack(self._parts)
        except ValueError:  # damaged, as `check` would say; the message itself may be whole
            return parse(self._content)

    def read_header(self, connection: sqlite3.Connection) -> None:
        """Reads what `header` gives."""
        row = connection.execute("SELECT header FROM content WHERE body_id = ?", (self.body_id,)).fetchone()
        self._header = row[0] if row is not None else b""

    def read_content(self, connection: sqlite3.Connection) -> None:
        """Reads what `header`, `content` and `root` give."""
        row = connection.execute(
            "SELECT header, text, parts FROM content CROSS JOIN digest USING (body_id) WHERE body_id = ?",
            (self.body_id,),
        ).fetchone()
        if row is None:
            return
        self._header, text, self._parts = row
        self._content = b"".join([self._header, text, *bodies.rest(connection, self.body_id, text)])

    def forget(self) -> None:
        """Drops what was read."""
        self._header = self._content = self._parts = b""


class Search:
    """One search of one mailbox."""

    def __init__(self, read: Read, runtime: Runtime, mailbox_id: int, key: Key) -> None:
        """`read` runs a step on the account's reader."""
        self._read = read
        self._runtime = runtime
        self._mailbox_id = mailbox_id
        answered, rest = split(key, is_answered)
        rest = answered[_MAX_ANSWERED:] + rest
        self._answered = answered[:_MAX_ANSWERED]
        self._rest_keys = rest
        self._dearest = max(map(cost, rest), default=Cost.FACTS)

    def run(self, within: UidSet) -> Iterator[list[int]]:
        """Slices of matching UIDs, ascending.  Raises NoSuchMailbox."""
        keywords, existing = self._read(self._begin)
        expression = Expression(self._answered, keywords)
        wanted = within & existing
        step = _DIGEST_ROWS if expression.needs_digest or self._rest_keys else _FACT_ROWS
        tests = self._tests(keywords)
        for first in range(1, len(wanted) + 1, step):
            piece = spans(wanted.slice(first, first + step - 1), existing)
            for condition, values in conditions(piece):
                if tests:
                    yield from self._tested(self._candidates(expression, condition, values), tests)
                else:
                    yield self._uids(expression, condition, values)

    def _begin(self, opened: OpenAccount, connection: sqlite3.Connection) -> tuple[tuple[str, ...], UidSet]:
        return snapshot(
            connection,
            lambda reader: (
                read_mailbox_by_id(reader, self._mailbox_id).keywords,
                uids_inside(opened, reader, self._mailbox_id),
            ),
        )

    def _candidates(self, expression: Expression, condition: str, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        columns = "m.uid, m.flags, m.modseq, m.size, m.epoch, m.zone, m.save_epoch, m.body_id, d.sent_date"
        return self._rows(_select(columns, True, expression, condition), expression, values)

    def _uids(self, expression: Expression, condition: str, values: tuple[int, ...]) -> list[int]:
        # In one text, which is made and taken apart in less time than a row for each.  SQLite keeps the order of a
        # subquery where something is put together of it.
        inner = _select("m.uid AS uid", expression.needs_digest, expression, condition)
        [(text,)] = self._rows(f"SELECT group_concat(uid) FROM ({inner})", expression, values)
        return list(map(int, text.split(","))) if text else []

    def _rows(self, sql: str, expression: Expression, values: tuple[int, ...]) -> list[tuple[Any, ...]]:
        parameters = (self._mailbox_id, *values, *expression.values)
        found: list[tuple[Any, ...]] = self._read(
            lambda opened, connection: connection.execute(sql, parameters).fetchall()
        )
        return found

    def _tests(self, keywords: tuple[str, ...]) -> list[tuple[Cost, Matcher]]:
        """The keys that are left, put together by what they need, the cheapest first."""
        tests: list[tuple[Cost, Matcher]] = []
        for price in Cost:
            keys = tuple(key for key in self._rest_keys if cost(key) is price)
            if keys:
                tests.append((price, matcher(And(keys), keywords)))
        return tests

    def _tested(self, rows: list[tuple[Any, ...]], tests: list[tuple[Cost, Matcher]]) -> Iterator[list[int]]:
        candidates = [Found(row) for row in rows]
        for price, test in tests[:-1]:
            left: list[Found] = []
            for part in _portions(candidates, price):
                left += self._matching(part, price, test)
                yield []
            candidates = left
        price, test = tests[-1]
        for part in _portions(candidates, price):
            yield [candidate.uid for candidate in self._matching(part, price, test)]

    def _matching(self, part: list[Found], price: Cost, test: Matcher) -> list[Found]:
        if price is not Cost.FACTS:
            self._read(lambda opened, connection: snapshot(connection, lambda reader: _load(reader, part, price)))
        if price is Cost.CONTENT and part[0].size >= _OFFLOAD_BYTES:
            matching = self._runtime.offload(lambda: [candidate for candidate in part if test(candidate)])
        else:
            matching = [candidate for candidate in part if test(candidate)]
        for candidate in part:
            candidate.forget()
        return matching


def _select(columns: str, with_digest: bool, expression: Expression, condition: str) -> str:
    digest = " CROSS JOIN digest d USING (body_id)" if with_digest else ""
    where = f"m.mailbox_id = ? AND m.{condition} AND {expression.sql}"
    return f"SELECT {columns} FROM message m{digest} WHERE {where} ORDER BY m.uid"


def _load(connection: sqlite3.Connection, part: Sequence[Found], price: Cost) -> None:
    for candidate in part:
        if price is Cost.HEADER:
            candidate.read_header(connection)
        else:
            candidate.read_content(connection)


def _portions(candidates: list[Found], price: Cost) -> Iterator[list[Found]]:
    """The candidates in portions that may be tested at one go."""
    if price is not Cost.CONTENT:
        step = _HEADER_ROWS if price is Cost.HEADER else _FACT_ROWS
        for start in range(0, len(candidates), step):
            yield candidates[start : start + step]
        return
    portion: list[Found] = []
    total = 0
    for candidate in candidates:
        if portion and total + candidate.size > _CONTENT_BYTES:
            yield portion
            portion, total = [], 0
        portion.append(candidate)
        total += candidate.size
    if portion:
        yield portion
