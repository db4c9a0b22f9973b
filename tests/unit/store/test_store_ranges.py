"""UID sets as SQL conditions."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from nmsd.model.uidset import UidSet
from nmsd.store.sqlite.ranges import MOST, conditions, spans

SETS = st.sets(st.integers(1, 200), max_size=100).map(UidSet.of)


def selected(ranges: list[tuple[int, int]], most: int) -> list[int]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE message (uid INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO message VALUES (?)", [(uid,) for uid in range(1, 201)])
    found: list[int] = []
    for condition, values in conditions(ranges, most):
        rows = connection.execute(f"SELECT uid FROM message WHERE {condition} ORDER BY uid", values).fetchall()
        assert len(values) <= max(most, 2)
        found += [row[0] for row in rows]
    connection.close()
    return found


@given(SETS, st.sampled_from([1, 8, 64]))
def test_the_conditions_select_the_set_in_order(wanted: UidSet, most: int) -> None:
    assert selected(wanted.ranges(), most) == list(wanted)


@given(SETS, SETS)
def test_spans_hold_what_is_wanted_and_nothing_else_that_exists(wanted: UidSet, existing: UidSet) -> None:
    found = UidSet(spans(wanted, existing))
    assert found & existing == wanted & existing
    assert (found & existing) | (existing - wanted) == existing


def test_all_of_a_mailbox_full_of_gaps_is_one_span() -> None:
    existing = UidSet.of(range(1, 10_000, 2))
    assert spans(UidSet([(1, 1 << 32)]), existing) == [(1, 9999)]
    assert spans(existing, existing) == [(1, 9999)]
    assert spans(UidSet(), existing) == []


def test_few_different_statements_are_made() -> None:
    texts = {
        condition
        for count in range(1, 1500)
        for condition, _ in conditions([(number * 10, number * 10) for number in range(count)])
    }
    assert len(texts) == 1 + MOST.bit_length() - 1
