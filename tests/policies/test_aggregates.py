"""Aggregating functions, fed row by row."""

from __future__ import annotations

import math
from statistics import fmean, pstdev, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import syntax as s
from policies.aggregates import aggregator, is_aggregate
from policies.errors import QueryError
from policies.frame import Compiled, Context, Frame
from policies.graph import Meaning, MemoryGraph
from policies.limits import Budget, Limits, SpentError
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeValue, Value

HOME = Text.of("/home/{any}/x")
SOME = st.integers(-1000, 1000) | st.floats(-1000, 1000)


class NoPatterns:
    def predicate(self, predicate: s.PatternPredicate, /) -> Compiled:
        raise AssertionError

    def comprehension(self, comprehension: s.PatternComprehension, /) -> Compiled:
        raise AssertionError

    def exists(self, exists: s.Exists, /) -> Compiled:
        raise AssertionError


def aggregate(name: str, *values: Value, distinct: bool = False, at: Value = None, rows: int = 1000) -> Value:
    arguments: tuple[s.Expression, ...] = (s.Variable("x"),) if at is None else (s.Variable("x"), s.Variable("at"))
    context = Context(MemoryGraph({}), Meaning.CONCRETE, {}, Budget(Limits(rows=rows)))
    group = aggregator(s.Call(name.lower(), arguments, distinct), NoPatterns())()
    for value in values:
        group.feed(Frame({"x": value, "at": at}, context))
    return group.result()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("count", (1, None, "a"), 2),
        ("count", (), 0),
        ("sum", (33, None, 42), 75),
        ("sum", (), 0),
        ("sum", (1, 2.5), 3.5),
        ("avg", (1, 2), 1.5),
        ("avg", (2, 4), 3.0),
        ("avg", (None,), None),
        ("max", (1, 2, 0, None, -1), 2),
        ("min", (1, 2, 0, None, -1), -1),
        ("max", (1, 2.0, 5, None, 3.2, 0.1), 5),
        ("min", (1, 2.0, 5, None, 3.2, 0.1), 0.1),
        ("max", ("a", "b", "B", None, "abc", "abc1"), "b"),
        ("min", ("a", "b", "B", None, "abc", "abc1"), "B"),
        ("max", ((1,), (2,), (2, 1)), (2, 1)),
        ("min", ((1,), (2,), (2, 1)), (1,)),
        ("max", (1, "a", None, (1, 2), 0.2, "b"), 1),
        ("min", (1, "a", None, (1, 2), 0.2, "b"), (1, 2)),
        ("max", (), None),
        ("collect", (1, None, "a", 1), (1, "a", 1)),
        ("collect", (), ()),
        ("stDev", (1,), 0.0),
        ("stDev", (), 0.0),
        ("stDevP", (3,), 0.0),
        ("stDevP", (2, 4), 1.0),
        ("stDev", (1, 2, 3), 1.0),
    ],
)
def test_results(name: str, values: tuple[Value, ...], expected: Value) -> None:
    found = aggregate(name, *values)
    assert found == expected and type(found) is type(expected)


def test_distinct_counts_equivalent_values_once() -> None:
    assert aggregate("count", 1, 1.0, 2, None, distinct=True) == 2
    assert aggregate("count", math.nan, math.nan, distinct=True) == 1
    assert aggregate("count", True, 1, distinct=True) == 2
    assert aggregate("collect", None, 1, None, 1, distinct=True) == (1,)
    assert aggregate("sum", 2, 2, 3, distinct=True) == 5
    assert aggregate("count", (1, None), (1, None), distinct=True) == 1
    assert aggregate("count", {"a": 1}, {"a": 1.0}, {}, distinct=True) == 2


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("percentileDisc", 0.0, 10.0),
        ("percentileDisc", 0.5, 20.0),
        ("percentileDisc", 1.0, 30.0),
        ("percentileDisc", 0.34, 20.0),
        ("percentileDisc", 1, 30.0),
        ("percentileCont", 0.0, 10.0),
        ("percentileCont", 0.5, 20.0),
        ("percentileCont", 1.0, 30.0),
        ("percentileCont", 0.25, 15.0),
    ],
)
def test_percentiles(name: str, at: float, expected: float) -> None:
    assert aggregate(name, 30.0, None, 10.0, 20.0, at=at) == expected
    assert aggregate(name, at=at) is None


@pytest.mark.parametrize("at", [1000, -1, 1.1, math.nan])
def test_a_percentile_is_from_0_to_1(at: float) -> None:
    for name in ("percentileDisc", "percentileCont"):
        with pytest.raises(QueryError) as caught:
            aggregate(name, 10.0, at=at)
        assert (caught.value.kind, caught.value.detail) == ("ArgumentError", "NumberOutOfRange")


@pytest.mark.parametrize("name", ["sum", "avg", "stDev", "stDevP"])
def test_only_numbers_can_be_summed(name: str) -> None:
    for value in ("a", True, (1,), NodeValue("n")):
        with pytest.raises(QueryError) as caught:
            aggregate(name, value)
        assert caught.value.kind == "TypeError"


def test_a_sum_has_64_bits() -> None:
    with pytest.raises(QueryError):
        aggregate("sum", (1 << 63) - 1, 1)
    assert aggregate("sum", (1 << 63) - 1, 1, -1) == (1 << 63) - 1


def test_abstract_values() -> None:
    assert aggregate("count", 1, UNKNOWN) is UNKNOWN
    assert aggregate("count", 1, HOME) == 2
    assert aggregate("collect", HOME) == (HOME,)
    assert aggregate("sum", 1, HOME) is UNKNOWN
    assert aggregate("max", "a", HOME) is UNKNOWN
    assert aggregate("max", HOME, "a", "b") is UNKNOWN
    assert aggregate("min", HOME, HOME) == HOME


def test_what_is_kept_is_paid_for() -> None:
    assert aggregate("count", *range(100), rows=10) == 100
    for name, distinct in (("collect", False), ("count", True)):
        with pytest.raises(SpentError):
            aggregate(name, *range(100), rows=10, distinct=distinct)


def test_count_of_rows_counts_nulls() -> None:
    group = aggregator(s.CountAll(), NoPatterns())()
    context = Context(MemoryGraph({}), Meaning.CONCRETE, {}, Budget(Limits()))
    for value in (None, 1, UNKNOWN):
        group.feed(Frame({"x": value}, context))
    assert group.result() == 3


def test_which_expressions_aggregate() -> None:
    assert is_aggregate(s.CountAll()) and is_aggregate(s.Call("sum", (s.Literal(1),)))
    assert not is_aggregate(s.Call("size", (s.Literal("a"),))) and not is_aggregate(s.Literal(1))


@given(st.lists(SOME, min_size=2, max_size=30))
def test_statistics_are_those_of_the_library(values: list[float]) -> None:
    """Of any numbers, in any order, up to rounding."""
    for name, reference in (("avg", fmean), ("stDev", stdev), ("stDevP", pstdev)):
        found = aggregate(name, *values)
        assert isinstance(found, float) and math.isclose(found, reference(values), rel_tol=1e-6, abs_tol=1e-6)
    assert aggregate("min", *values) == min(values) and aggregate("max", *values) == max(values)


@given(st.lists(SOME, min_size=1, max_size=30), st.floats(0, 1))
def test_a_percentile_has_its_share_on_either_side(values: list[float], at: float) -> None:
    """At least that share of the values is not above it, and it is one of them; the continuous one lies between."""
    found, between = aggregate("percentileDisc", *values, at=at), aggregate("percentileCont", *values, at=at)
    assert isinstance(found, (int, float)) and found in values
    assert sum(value <= found for value in values) >= at * len(values) - 1e-9
    assert isinstance(between, float) and min(values) - 1e-6 <= between <= max(values) + 1e-6


def test_an_error_says_where() -> None:
    group = aggregator(s.Call("sum", (s.Variable("x"),), at=s.Place(3, 7)), NoPatterns())()
    with pytest.raises(QueryError, match=r"^3:7: "):
        group.feed(Frame({"x": "a"}, Context(MemoryGraph({}), Meaning.CONCRETE, {}, Budget(Limits()))))
