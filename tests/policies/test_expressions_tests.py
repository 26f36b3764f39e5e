"""Comparisons whose right side is prepared when they are compiled: they say what the general ones say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import syntax as s
from policies.expressions_tests import TESTS, compile_comparison
from policies.frame import Context, Frame
from policies.graph import Meaning, MemoryGraph
from policies.limits import Budget, Limits
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeId, NodeValue, Value

NAMES: dict[str, Value] = {
    "text": "abc",
    "one": 1,
    "none": None,
    "any": UNKNOWN,
    "ident": NodeId("p"),
    "home": Text.of("/home/{any}/x"),
}
CONTEXT = Context(MemoryGraph({}), Meaning.CONCRETE, {}, Budget(Limits(steps=10**9)))
VALUES = st.one_of(
    st.sampled_from([*NAMES.values(), NodeValue("p"), (1, None), {"a": 1}, True, False, 1.0, 2, float("nan")]),
    st.sampled_from(["a", "ab", "", "/home/a/x"]),
)
CONSTANTS = st.sampled_from(["a", "abc", "", "/home/a/x", "/home/", 1, 2, -1, 1.0, True, False, None])


def answer(operator: s.Operator, left: Value, right: s.Expression) -> Value:
    comparison = s.Comparison(operator, s.Variable("x"), right)
    compiled = compile_comparison(comparison, lambda frame: frame.values["x"], lambda frame: frame.values["y"])
    constant: Value = None
    if isinstance(right, s.ListOf):
        constant = tuple(one.value for one in right.items if isinstance(one, s.Literal))
    elif isinstance(right, s.Literal):
        constant = right.value
    return compiled(Frame({"x": left, "y": constant}, CONTEXT))


@given(VALUES, CONSTANTS, st.sampled_from(s.Operator))
def test_a_constant_is_as_good_as_a_value(left: Value, constant: s.Scalar, operator: s.Operator) -> None:
    if operator is not s.Operator.IN:
        assert answer(operator, left, s.Literal(constant)) is TESTS[operator](left, constant, CONTEXT)


@given(VALUES, st.lists(CONSTANTS, max_size=4))
def test_a_constant_list_is_as_good_as_a_value(left: Value, constants: list[s.Scalar]) -> None:
    items = s.ListOf(tuple(map(s.Literal, constants)))
    assert answer(s.Operator.IN, left, items) is TESTS[s.Operator.IN](left, tuple(constants), CONTEXT)


@pytest.mark.parametrize(
    ("name", "glob", "holds"),
    [
        ("text", "a*", True),
        ("text", "b*", False),
        ("none", "a*", None),
        ("none", "*", True),
        ("one", "a*", False),
        ("any", "a*", UNKNOWN),
        ("ident", "p*", UNKNOWN),
        ("home", "/home/*", True),
        ("home", "/etc/*", False),
        ("home", "/home/a*", UNKNOWN),
    ],
)
def test_globs_of_the_published_form(name: str, glob: str, holds: Value) -> None:
    frame = Frame(dict(NAMES), CONTEXT)
    opposite = not holds if isinstance(holds, bool) else holds
    for operator, expected in ((s.Operator.EQUAL, holds), (s.Operator.UNEQUAL, opposite)):
        test = s.Comparison(operator, s.Variable(name), s.Glob(glob))
        assert compile_comparison(test, lambda row: row.values[name], lambda row: None)(frame) is expected
