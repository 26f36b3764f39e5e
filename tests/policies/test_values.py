"""Values: how they are shown, and how large they may get."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import QueryError
from policies.graph import Edge
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import (
    MAX_DEPTH,
    MAX_SIZE,
    NodeId,
    NodeValue,
    PathValue,
    Value,
    bounded,
    decimal,
    fault,
    integer,
    is_abstract,
    key,
    rendered,
    weigh,
    written,
)

EDGE = Edge("p", "USED", "read", "f")
HOME = Text.of("/home/{any}")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ("it's", "it's"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (("it's", None, 1), "['it\\'s', null, 1]"),
        ({"a": ("b",)}, "{a: ['b']}"),
        (NodeValue("n1"), "n1"),
        (NodeId("n1"), "n1"),
        (EDGE, "p USED read f"),
        (PathValue(("p", "f"), (EDGE,)), "(p)-[USED]->(f)"),
        (PathValue(("f", "p"), (EDGE,)), "(f)<-[USED]-(p)"),
        (PathValue(("f",)), "(f)"),
        (HOME, "/home/{any}"),
        (UNKNOWN, "?"),
    ],
)
def test_how_a_value_stands_in_a_row(value: Value, shown: str | None) -> None:
    assert rendered(value) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (100.0, "100.0"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (123456789.5, "1.234567895E8"),
        (1e-3, "0.001"),
        (1.2e-4, "1.2E-4"),
        (-2.5e21, "-2.5E21"),
        (1e16, "1.0E16"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_a_float_is_written_as_in_cypher(number: float, shown: str) -> None:
    assert decimal(number) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_of_a_float_reads_back_as_it(number: float) -> None:
    assert float(decimal(number)) == number and "." in decimal(number)


def test_equivalence() -> None:
    same: list[tuple[Value, Value]] = [
        (None, None),
        (math.nan, math.nan),
        (1, 1.0),
        ((None, 1), (None, 1.0)),
        (0.0, -0.0),
    ]
    assert all(key(a) == key(b) for a, b in same)
    other: list[tuple[Value, Value]] = [
        (True, 1),
        (("boolean", True), True),
        (("nan",), math.nan),
        ((), {}),
        (None, "null"),
        ((1,), 1),
        ({"a": None}, {}),
        (NodeValue("a"), "a"),
        (NodeValue("a"), NodeId("a")),
        (HOME, "/home/{any}"),
    ]
    assert not any(key(a) == key(b) for a, b in other)


def test_which_values_are_abstract() -> None:
    assert all(map(is_abstract, (UNKNOWN, HOME, NodeId("a"), (1, (HOME,)), {"a": UNKNOWN})))
    assert not any(map(is_abstract, (None, 1, "a", NodeValue("a"), EDGE, (1, ("a",)), {"a": None})))


def test_integers_and_sizes_have_bounds() -> None:
    assert integer(-(1 << 63)) == -(1 << 63) and bounded(MAX_SIZE) == MAX_SIZE
    for call, number in ((integer, 1 << 63), (integer, -(1 << 63) - 1), (bounded, MAX_SIZE + 1)):
        with pytest.raises(QueryError):
            call(number)


def test_a_value_weighs_what_it_is_written_out() -> None:
    assert weigh(1) == 1 and weigh((1, (2, 3))) == 5 and weigh("x" * 640) == 11
    assert weigh({"a": 1}) == 2


def test_a_value_too_large_or_too_deep_is_refused_in_bounded_time() -> None:
    doubled: Value = (1,)
    for _ in range(60):
        doubled = (doubled, doubled)
    deep: Value = 1
    for _ in range(MAX_DEPTH + 1):
        deep = (deep,)
    many = ("x" * 640_000,) * 1000
    for value in (doubled, deep, many, (0,) * (MAX_SIZE + 1)):
        with pytest.raises(QueryError):
            weigh(value)


def test_a_fault_never_writes_out_a_large_value() -> None:
    error = fault("TypeError", "InvalidArgumentType", "not this", ("x" * 1000,) * 1000)
    assert len(str(error)) < 200 and "\x1b" not in str(fault("TypeError", "x", "not this", "\x1b[31m"))


def test_quotes_and_backslashes_are_escaped() -> None:
    assert written("a'b\\") == "'a\\'b\\\\'"
