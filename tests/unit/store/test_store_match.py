"""What a search costs, and what of it an engine may answer by itself."""

from __future__ import annotations

import pytest

from nmsd.model.search import All, And, HasFlag, Header, Key, Not, Or, Text, TextIn, Uids
from nmsd.model.uidset import UidSet
from nmsd.store.match import Cost, conjuncts, cost, depth, split
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


def test_depth_counts_levels() -> None:
    assert [depth(key) for key in (FLAG, Not(FLAG), And((FLAG, Or(FLAG, Not(FLAG)))), And(()))] == [1, 2, 4, 1]


def test_what_sql_cannot_hold_is_left_to_the_matcher() -> None:
    deep: Key = FLAG
    for _ in range(100):
        deep = Not(deep)
    assert not is_answered(deep)
    assert not is_answered(Uids(UidSet.of(range(1, 300, 2))))
    assert is_answered(Uids(UidSet([(1, 300)])))


def test_only_dates_and_fields_need_the_digest() -> None:
    assert not Expression([FLAG, Uids(UidSet())], ()).needs_digest
    assert Expression([FLAG, KEPT], ()).needs_digest
    assert Expression([], ()).sql == "1"
