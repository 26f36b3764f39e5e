"""Equality, comparability and orderability."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.graph import Edge, OwnEdge
from policies.ordering import among, at_most, below, equal, sort_key
from policies.text import Text
from policies.truth import UNKNOWN, Truth, negated
from policies.values import MOST, NodeId, NodeValue, PathValue, Value, key

NAN = math.nan
EDGE = Edge("p", "USED", "read", "f")
HOME, ETC = Text.of("/home/{any}"), Text.of("/etc/{any}")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), MOST)
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from([0.0, 1.0, -2.0, NAN])
    | st.sampled_from(["", "a", "b", "ab", "1"])
)
ENTITIES = st.sampled_from(
    [NodeValue("a"), NodeValue("b"), EDGE, OwnEdge("p", "USED", "read", "f", "1"), PathValue(("p", "f"), (EDGE,))]
)
CONCRETE = st.recursive(
    SCALARS | ENTITIES,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
ABSTRACT = st.sampled_from([UNKNOWN, HOME, ETC, NodeId("a"), NodeId("b"), (UNKNOWN, 1), {"a": HOME}])


def shuffled(values: list[Value]) -> list[Value]:
    return values[1::2] + values[::2][::-1]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (MOST, float(MOST), False),
        (True, 1, False),
        ("1", 1, False),
        (None, None, None),
        (NAN, NAN, False),
        (NAN, "a", False),
        ((1, 2), (1,), False),
        ((None,), (1,), None),
        (("a",), (1,), False),
        (((1,),), ((1,), (None,)), False),
        (((1,), (2,)), ((1,), (None,)), None),
        (((1,), (2, 3)), ((1,), (None,)), False),
        ((1, None), (2, None), False),
        ((), (), True),
        ((), {}, False),
        ({}, {}, True),
        ({}, {"k": None}, False),
        ({"k": 1}, {"l": 1}, False),
        ({"k": None}, {"k": None}, None),
        ({"k": 1}, {"k": 1.0}, True),
        ({"k": 1, "l": None}, {"k": None, "l": 1}, None),
        ({"k": 1, "l": None}, {"k": 2, "l": None}, False),
        (NodeValue("a"), NodeValue("a"), True),
        (NodeValue("a"), "a", False),
        (EDGE, OwnEdge("p", "USED", "read", "f", "1"), False),
        (HOME, ETC, False),
        (HOME, HOME, UNKNOWN),
        (HOME, "/etc/x", False),
        ("/home/x", HOME, UNKNOWN),
        (HOME, 1, False),
        (HOME, None, None),
        ((HOME, 1), ("/home/x", 2), False),
        (UNKNOWN, None, None),
        (UNKNOWN, 1, UNKNOWN),
        ((UNKNOWN, 1), (1, 2), False),
        ((UNKNOWN, 1), (1,), False),
        (NodeId("a"), NodeId("b"), False),
        (NodeId("a"), NodeId("a"), UNKNOWN),
        (NodeId("a"), HOME, UNKNOWN),
        (NodeId("a"), 1, False),
    ],
)
def test_equality(left: Value, right: Value, expected: Truth) -> None:
    assert equal(left, right) is expected
    assert equal(right, left) is expected


@pytest.mark.parametrize(
    ("left", "right", "less", "least"),
    [
        (1, 3.14, True, True),
        (1, 1.0, False, True),
        (NAN, 1, False, False),
        (NAN, NAN, False, False),
        (NAN, "a", None, None),
        ("a", "b", True, True),
        ("1", 1, None, None),
        (False, True, True, True),
        (True, 1, None, None),
        (None, 1, None, None),
        ((1,), (1, 0), True, True),
        ((1,), (1, None), True, True),
        ((1, None), (1, 2), None, None),
        ((1, "a"), (1, None), None, None),
        ((1, 2), (3, None), True, True),
        ((1, "a"), (1, 2), None, None),
        ((1, 2), (1, 2), False, True),
        ({}, {}, None, None),
        (NodeValue("a"), NodeValue("b"), None, None),
        (HOME, 1, None, None),
        (HOME, "/z", True, True),
        ("/z", HOME, False, False),
        (HOME, "/home/x", UNKNOWN, UNKNOWN),
        (ETC, HOME, UNKNOWN, UNKNOWN),
        (UNKNOWN, 1, UNKNOWN, UNKNOWN),
        (UNKNOWN, None, None, None),
        ((UNKNOWN,), (1,), UNKNOWN, UNKNOWN),
        (NodeId("a"), NodeId("b"), UNKNOWN, UNKNOWN),
    ],
)
def test_comparability(left: Value, right: Value, less: Truth, least: Truth) -> None:
    assert below(left, right) is less
    assert at_most(left, right) is least


def test_the_same_node_of_a_model_may_be_another() -> None:
    for value in (NodeValue("a"), EDGE, PathValue(("a",)), (NodeValue("a"), 1), {"k": EDGE}):
        assert equal(value, value, UNKNOWN) is UNKNOWN
        assert equal(value, NodeValue("b"), UNKNOWN) is False
    assert equal((NodeValue("a"), 1), (NodeValue("a"), 2), UNKNOWN) is False
    assert among(NodeValue("a"), (NodeValue("b"), NodeValue("a")), UNKNOWN) is UNKNOWN
    assert below((NodeValue("a"), 1), (NodeValue("a"), 2), UNKNOWN) is UNKNOWN


def test_all_sorts_stand_in_the_order_of_the_standard() -> None:
    path = PathValue(("p", "f"), (EDGE,))
    ordered: list[Value] = [{"a": 1}, NodeValue("n"), EDGE, (1, "a"), path, "a", False, True, -1, 1.5, NAN, None]
    assert sorted(shuffled(ordered), key=sort_key) == ordered


def test_lists_stand_in_the_order_of_the_standard() -> None:
    ordered: list[Value] = [(), ("a",), ("a", 1), (1,), (1, "a"), (1, None), (None, 1), (None, 2)]
    assert sorted(shuffled(ordered), key=sort_key) == ordered


@given(CONCRETE)
def test_what_is_equal_to_itself_is_so_unless_null_or_nan_is_in_it(value: Value) -> None:
    itself = equal(value, value)
    assert itself is True or "None" in repr(value) or "nan" in repr(value)


@given(CONCRETE | ABSTRACT, CONCRETE | ABSTRACT)
def test_equality_has_no_direction(left: Value, right: Value) -> None:
    assert equal(left, right) is equal(right, left)


@given(CONCRETE, CONCRETE)
def test_the_operators_agree_with_each_other_and_with_the_order(left: Value, right: Value) -> None:
    """`<` is strict, `<=` is `<` or `=`, and both follow the order in which rows stand."""
    less, least, alike = below(left, right), at_most(left, right), equal(left, right)
    if less is True:
        assert least is True and alike is False and below(right, left) is False
        assert sort_key(left) < sort_key(right)
    if alike is True:
        assert sort_key(left) == sort_key(right) and key(left) == key(right) and less is not True
    if (less is None) != (least is None):
        raise AssertionError("comparable by one of the two only")


@given(st.lists(CONCRETE | ABSTRACT, max_size=6))
def test_any_values_have_one_order(values: list[Value]) -> None:
    """However they stood before; and the order is total."""
    places = sorted(map(sort_key, values))
    assert places == sorted(map(sort_key, reversed(values)))
    assert all(a < b or a == b for a, b in pairwise(places))


@given(CONCRETE, CONCRETE)
def test_equivalent_values_are_those_of_one_key(left: Value, right: Value) -> None:
    """Where equality is decided and neither holds a null or a NaN, equivalence is the same."""
    if "None" not in repr((left, right)) and "nan" not in repr((left, right)):
        assert (key(left) == key(right)) is (equal(left, right) is True)
    assert key(left) == key(left) and hash(key(left)) == hash(key(left))


@given(CONCRETE, st.lists(CONCRETE, max_size=4).map(tuple))
def test_in_is_one_of_them_equal(item: Value, items: tuple[Value, ...]) -> None:
    found = [equal(item, one) for one in items]
    assert among(item, items) is (True if True in found else None if None in found else False)
    assert negated(among(item, items)) is not among(item, items) or None in found
