"""What a search costs, and what of it an engine may answer by itself."""

from __future__ import annotations

import sqlite3

import pytest

from nmsd.model.search import All, And, Dated, DateOf, HasFlag, Header, Key, Not, Or, Sized, Text, TextIn, Uids
from nmsd.model.uidset import UidSet
from nmsd.store.match import Cost, conjuncts, cost, split
from nmsd.store.sqlite.bodies import HEADING_COLUMNS
from nmsd.store.sqlite.searchsql import Expression, is_answered

FLAG = HasFlag(1)
FIELD = Header("x-spam", "yes")
KEPT = Header("Subject", "hello")
BODY = Text(TextIn.BODY, "hello")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (All(), Cost.FACTS),
        (And(()), Cost.FACTS),
        (Not(FLAG), Cost.FACTS),
        (Or(FLAG, FIELD), Cost.HEADER),
        (And((FLAG, Not(BODY), FIELD)), Cost.CONTENT),
    ],
)
def test_a_search_costs_what_its_dearest_part_costs(key: Key, expected: Cost) -> None:
    assert cost(key) is expected


def test_conjuncts_are_flat_and_the_cheapest_come_first() -> None:
    assert conjuncts(And((BODY, And((FIELD, All(), And((FLAG,))))))) == [FLAG, FIELD, BODY]
    assert conjuncts(All()) == []
    assert conjuncts(Or(BODY, FLAG)) == [Or(BODY, FLAG)]


def test_a_search_is_split_into_what_the_engine_answers_and_the_rest() -> None:
    key = And((BODY, KEPT, FLAG, Or(FLAG, BODY), Not(Or(KEPT, FLAG)), FIELD))
    answered, rest = split(key, is_answered)
    assert answered == [FLAG, KEPT, Not(Or(KEPT, FLAG))]
    assert rest == [FIELD, BODY, Or(FLAG, BODY)]


def test_what_sql_cannot_hold_is_left_to_the_matcher() -> None:
    deep: Key = FLAG
    for _ in range(100):
        deep = Not(deep)
    assert not is_answered(deep)
    assert not is_answered(Uids(UidSet.of(range(1, 300, 2))))
    assert is_answered(Uids(UidSet([(1, 300)])))


def nested(levels: int, chain: int, leaf: Key) -> Key:
    """AND in OR in NOT in AND, each a chain of so many."""
    key = leaf
    for level in range(levels):
        if level % 3 == 2:
            key = Not(key)
            continue
        for _ in range(chain - 1):
            key = Or(leaf, key) if level % 3 else And((leaf, key))
    return key


@pytest.mark.parametrize("leaf", [FLAG, KEPT, Dated(DateOf.SENT, 1, 2), Sized(1, 2), Uids(UidSet.of((1, 3)))])
@pytest.mark.parametrize("chain", [2, 3, 4, 8, 100])
def test_what_is_put_to_sqlite_is_not_too_deep_for_it(leaf: Key, chain: int) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE m (uid, flags, size)")
    connection.execute(f"CREATE TABLE d (sent_date, {', '.join(HEADING_COLUMNS.values())})")
    answered = [key for key in (nested(levels, chain, leaf) for levels in range(1, 40)) if is_answered(key)]
    assert answered
    for key in answered:
        expression = Expression([key] * 2, ())
        connection.execute(f"SELECT m.uid FROM m CROSS JOIN d WHERE {expression.sql}", expression.values)


def test_a_chain_of_or_is_no_deeper_than_its_halves() -> None:
    chain: Key = KEPT
    for _ in range(200):
        chain = Or(KEPT, chain)
    assert is_answered(chain)


def test_only_dates_and_fields_need_the_digest() -> None:
    assert not Expression([FLAG, Uids(UidSet())], ()).needs_digest
    assert Expression([FLAG, KEPT], ()).needs_digest
    assert Expression([], ()).sql == "1"
