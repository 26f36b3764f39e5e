"""The functions of the language, called as a query calls them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import QueryError
from policies.frame import Chance, Context
from policies.functions import FUNCTIONS
from policies.graph import Edge, Meaning, MemoryGraph, OwnEdge
from policies.limits import Budget, Limits, SpentError
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import MOST, NodeId, NodeValue, PathValue, Value

EDGE = Edge("p", "USED", "read", "f")
OWN = OwnEdge("p", "RATED", "", "f", "1", {"stars": 4, "gone": None})
GRAPH = MemoryGraph({"p": ("Process", {"name": "sh"}), "f": (("File", "Secret"), {})}, [EDGE, OWN])
NODE, OTHER, PATH = NodeValue("p"), NodeValue("f"), PathValue(("p", "f"), (EDGE,))
HOME = Text.of("/home/{hex:4}/x")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), MOST)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([UNKNOWN, HOME, NodeId("p"), NODE, OTHER, EDGE, OWN, PATH]),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


def context(meaning: Meaning = Meaning.CONCRETE, limits: Limits = Limits(), seed: int = 0) -> Context:  # noqa: B008
    return Context(GRAPH, meaning, {}, Budget(limits), Chance(seed))


def call(name: str, *arguments: Value, meaning: Meaning = Meaning.CONCRETE) -> Value:
    return FUNCTIONS[name.lower()].called(context(meaning), arguments)


CASES: list[tuple[str, tuple[Value, ...], Value]] = [
    ("coalesce", (None, 1, 2), 1),
    ("coalesce", (None, None), None),
    ("coalesce", (HOME, 1), HOME),
    ("coalesce", (UNKNOWN, 1), UNKNOWN),
    ("id", (NODE,), "p"),
    ("labels", (OTHER,), ("File", "Secret")),
    ("type", (EDGE,), "USED"),
    ("startNode", (EDGE,), NODE),
    ("endNode", (EDGE,), OTHER),
    ("properties", (NODE,), {"name": "sh"}),
    ("properties", (OWN,), {"stars": 4}),
    ("properties", ({"a": None},), {"a": None}),
    ("keys", (NODE,), ("name",)),
    ("keys", (OTHER,), ()),
    ("keys", (OWN,), ("stars",)),
    ("keys", ({"a": 1, "b": None},), ("a", "b")),
    ("length", (PATH,), 1),
    ("nodes", (PATH,), (NODE, OTHER)),
    ("relationships", (PATH,), (EDGE,)),
    ("head", ((1, 2),), 1),
    ("head", ((),), None),
    ("last", ((1, 2),), 2),
    ("last", ((),), None),
    ("tail", ((1, 2, 3),), (2, 3)),
    ("tail", ((),), ()),
    ("reverse", ((1, None, 2),), (2, None, 1)),
    ("reverse", ("raksO",), "Oskar"),
    ("size", ((1, None),), 2),
    ("size", ("abc",), 3),
    ("size", (Text.of("/a/{hex:4}"),), 7),
    ("size", (Text.of("/a/{any}"),), UNKNOWN),
    ("isEmpty", ("",), True),
    ("isEmpty", ((1,),), False),
    ("isEmpty", ({},), True),
    ("isEmpty", (HOME,), False),
    ("range", (1, 3), (1, 2, 3)),
    ("range", (3, 1), ()),
    ("range", (3, 1, -1), (3, 2, 1)),
    ("range", (0, 10, 3), (0, 3, 6, 9)),
    ("range", (10, -10, -3), (10, 7, 4, 1, -2, -5, -8)),
    ("range", (1381, -3412, -1298), (1381, 83, -1215, -2513)),
    ("range", (0, 0, -1), (0,)),
    ("range", (0, -1), ()),
    ("range", (None, 1), None),
    ("range", (UNKNOWN, 1), UNKNOWN),
    ("range", (-(1 << 63), MOST, MOST), (-(1 << 63), -1, MOST - 1)),
    ("toBoolean", ("true",), True),
    ("toBoolean", (" FALSE ",), False),
    ("toBoolean", (" tru ",), None),
    ("toBoolean", ("f alse",), None),
    ("toBoolean", ("",), None),
    ("toBoolean", (True,), True),
    ("toInteger", (82.9,), 82),
    ("toInteger", (-1.9,), -1),
    ("toInteger", ("foo",), None),
    ("toInteger", ("",), None),
    ("toInteger", ("1.7",), 1),
    ("toInteger", ("42",), 42),
    ("toInteger", ("-0042",), -42),
    ("toInteger", ("1e3",), 1000),
    ("toInteger", ("9223372036854775807",), MOST),
    ("toInteger", ("9223372036854775808",), None),
    ("toInteger", ("1" * 10_000,), None),
    ("toInteger", ("٣",), None),
    ("toInteger", (math.nan,), None),
    ("toInteger", (1e300,), None),
    ("toInteger", (HOME,), UNKNOWN),
    ("toFloat", (3,), 3.0),
    ("toFloat", ("5",), 5.0),
    ("toFloat", ("5.",), 5.0),
    ("toFloat", ("-.5e1",), -5.0),
    ("toFloat", ("foo",), None),
    ("toFloat", ("1_0",), None),
    ("toString", (1,), "1"),
    ("toString", (1.0,), "1.0"),
    ("toString", (True,), "true"),
    ("toString", ("a",), "a"),
    ("toString", (HOME,), HOME),
    ("abs", (-3,), 3),
    ("abs", (-3.5,), 3.5),
    ("sign", (-3.5,), -1),
    ("sign", (0,), 0),
    ("ceil", (1.2,), 2.0),
    ("floor", (-1.2,), -2.0),
    ("round", (2.5,), 3.0),
    ("round", (-1.5,), -1.0),
    ("round", (0.49999999999999994,), 0.0),
    ("round", (3,), 3.0),
    ("floor", (1e300,), 1e300),
    ("sqrt", (12.96,), 3.6),
    ("log", (0,), -math.inf),
    ("exp", (1000,), math.inf),
    ("exp", (0,), 1.0),
    ("log10", (1000,), 3.0),
    ("cot", (0,), math.inf),
    ("atan2", (0.0, -1.0), math.pi),
    ("haversin", (math.pi,), 1.0),
    ("degrees", (math.pi,), 180.0),
    ("radians", (180,), math.pi),
    ("pi", (), math.pi),
    ("e", (), math.e),
    ("left", ("hello", 2), "he"),
    ("left", ("hello", 9), "hello"),
    ("right", ("hello", 2), "lo"),
    ("right", ("hello", 0), ""),
    ("right", ("hello", 9), "hello"),
    ("substring", ("0123456789", 1), "123456789"),
    ("substring", ("0123456789", 1, 3), "123"),
    ("substring", ("0123", 9, 3), ""),
    ("lTrim", ("  a ",), "a "),
    ("rTrim", ("  a ",), "  a"),
    ("trim", ("  a ",), "a"),
    ("trim", (HOME,), HOME),
    ("toLower", ("AbC",), "abc"),
    ("toUpper", ("AbC",), "ABC"),
    ("replace", ("hello", "l", "LL"), "heLLLLo"),
    ("replace", ("hello", "x", ""), "hello"),
    ("replace", ("ab", "", "-"), "-a-b-"),
    ("replace", (HOME, "l", None), None),
    ("split", ("one1two", "1"), ("one", "two")),
    ("split", ("", ","), ("",)),
    ("split", ("abc", ""), ("a", "b", "c")),
    ("split", (UNKNOWN, ","), UNKNOWN),
    ("exists", (None,), False),
    ("exists", (1,), True),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
def test_values(name: str, arguments: tuple[Value, ...], expected: Value) -> None:
    found = call(name, *arguments)
    assert found == expected and (type(found) is type(expected) or isinstance(expected, dict))


@pytest.mark.parametrize(("name", "number"), [("sqrt", -1), ("log", -1), ("asin", 2), ("acos", -2), ("sin", math.inf)])
def test_outside_its_domain_a_function_is_nan(name: str, number: float) -> None:
    found = call(name, number)
    assert isinstance(found, float) and math.isnan(found)


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "detail"),
    [
        ("toBoolean", ((),), "TypeError", "InvalidArgumentValue"),
        ("toBoolean", (1.0,), "TypeError", "InvalidArgumentValue"),
        ("toInteger", ({},), "TypeError", "InvalidArgumentValue"),
        ("toInteger", (PATH,), "TypeError", "InvalidArgumentValue"),
        ("toFloat", (True,), "TypeError", "InvalidArgumentValue"),
        ("toString", (NODE,), "TypeError", "InvalidArgumentValue"),
        ("labels", (1,), "TypeError", "InvalidArgumentValue"),
        ("type", (NODE,), "TypeError", "InvalidArgumentValue"),
        ("length", ("abc",), "TypeError", "InvalidArgumentValue"),
        ("size", (PATH,), "TypeError", "InvalidArgumentValue"),
        ("abs", (True,), "TypeError", "InvalidArgumentValue"),
        ("keys", (1,), "TypeError", "InvalidArgumentValue"),
        ("range", (0, 1, 0), "ArgumentError", "NumberOutOfRange"),
        ("range", (True, 1, 1), "ArgumentError", "InvalidArgumentType"),
        ("range", (0, 1.0, 1), "ArgumentError", "InvalidArgumentType"),
        ("range", (0, "xyz", 1), "ArgumentError", "InvalidArgumentType"),
        ("range", (0, 1, (1,)), "ArgumentError", "InvalidArgumentType"),
        ("range", (0, MOST), "ArgumentError", "NumberOutOfRange"),
        ("abs", (-(1 << 63),), "ArithmeticError", "IntegerOverflow"),
        ("substring", ("a", -1), "ArgumentError", "NegativeIntegerArgument"),
        ("left", ("a", -1), "ArgumentError", "NegativeIntegerArgument"),
        ("replace", ("a" * 2000, "a", "b" * 2000), "ArgumentError", "NumberOutOfRange"),
    ],
)
def test_errors(name: str, arguments: tuple[Value, ...], kind: str, detail: str) -> None:
    with pytest.raises(QueryError) as caught:
        call(name, *arguments)
    assert (caught.value.kind, caught.value.detail) == (kind, detail)


def test_null_makes_null() -> None:
    for function in FUNCTIONS.values():
        if function.strict and not function.aggregating and function.least:
            assert function.called(context(), (None,) * function.least) is None, function.name


def test_the_id_of_a_state_is_that_of_some_node() -> None:
    assert call("id", NODE, meaning=Meaning.INSTANCES) == NodeId("p")
    assert call("size", NodeId("p")) is UNKNOWN and call("toString", NodeId("p")) is UNKNOWN


def test_chance_replays() -> None:
    rolls = [FUNCTIONS["rand"].called(context(seed=seed), ()) for seed in (1, 1, 2)]
    assert rolls[0] == rolls[1] != rolls[2]


def test_chance_is_fair() -> None:
    chance = Chance(7)
    rolls = [chance.random() for _ in range(4000)]
    assert all(0 <= roll < 1 for roll in rolls) and 0.45 < sum(rolls) / len(rolls) < 0.55


def test_a_long_range_is_paid_for() -> None:
    with pytest.raises(SpentError):
        FUNCTIONS["range"].called(context(limits=Limits(steps=100)), (1, 101))


def test_each_function_says_what_it_is() -> None:
    assert len({name.lower() for name in FUNCTIONS}) == len(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        assert name == function.name.lower()
        assert function.doc.endswith(".") and "\n" not in function.doc
        assert function.most is None or function.least <= function.most
        optional = [parameter.optional for parameter in function.parameters]
        assert optional == sorted(optional)


@given(st.sampled_from([f for f in FUNCTIONS.values() if not f.aggregating]), st.data())
def test_every_call_has_a_value_or_a_located_kind_of_error(function: object, data: st.DataObject) -> None:
    """Whatever the arguments: no other exception leaves a function."""
    assert isinstance(function, type(FUNCTIONS["head"]))
    arguments = tuple(
        data.draw(VALUES)
        for _ in range(data.draw(st.integers(function.least, 3 if function.most is None else function.most)))
    )
    try:
        function.called(context(limits=Limits(steps=100_000)), arguments)
    except (QueryError, SpentError):
        return
