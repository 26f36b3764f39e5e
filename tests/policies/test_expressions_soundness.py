"""What an expression says of abstract values holds for everything that they stand for."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from policies import syntax as s
from policies.errors import QueryError
from policies.expressions import compile_expression
from policies.frame import Compiled, Context, Frame
from policies.graph import Meaning, MemoryGraph
from policies.limits import Budget, Limits, SpentError
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeId, NodeValue, Value, is_abstract, key

GRAPH = MemoryGraph({name: ("File", {"path": f"/tmp/{name}", "size": 3}) for name in ("a1", "a2", "b1")})
ENDS = ("", "a", "/tmp/", "x")
WORDS = st.sampled_from(["", "a", "x", "ab", "/tmp/x", "/tmp/ab", "/tmp/", "7", "12", "true", "X", " a "])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.5, math.nan]) | WORDS
ANYTHING = (
    SCALARS | st.lists(SCALARS, max_size=2).map(tuple) | st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=1)
)

Pair = tuple[Value, Value]
"""An abstract value, and one of those that it stands for."""


@st.composite
def texts(draw: st.DrawFn) -> Pair:
    head, tail = draw(st.sampled_from(ENDS)), draw(st.sampled_from(ENDS))
    field, between = draw(st.sampled_from([("{any}", ""), ("{any}", "/q"), ("{word}", "ab"), ("{hex:2}", "a1")]))
    return Text.of(head + field + tail), head + between + tail


PAIRS = st.one_of(
    ANYTHING.map(lambda value: (UNKNOWN, value)),
    texts(),
    texts(),
    st.sampled_from(
        [(NodeValue("a"), NodeValue("a1")), (NodeValue("a"), NodeValue("a2")), (NodeValue("b"), NodeValue("b1"))]
    ),
    st.sampled_from([(NodeId("a"), "a1"), (NodeId("a"), "a2"), (NodeId("b"), "b1")]),
    ANYTHING.map(lambda value: (value, value)),
)
NAMES = ("v", "w", "u")
MODEL = MemoryGraph(
    {"a": ("File", {"path": Text.of("/tmp/{any}"), "size": 3}), "b": ("File", {"path": "/tmp/b1", "size": 3})}
)

UNARY = (
    "tolower toupper trim ltrim rtrim size isempty tostring tointeger tofloat toboolean head last tail reverse keys "
    "properties id labels exists abs sign coalesce"
)
FUNCTIONS = st.sampled_from(UNARY.split())
BINARY = st.sampled_from(["left", "right", "split", "substring", "coalesce", "range"])
LITERALS = (WORDS | st.integers(-3, 3) | st.booleans() | st.none()).map(s.Literal)
LEAVES = st.sampled_from(NAMES).map(s.Variable) | LITERALS


def grown(inner: st.SearchStrategy[s.Expression]) -> st.SearchStrategy[s.Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(s.Comparison, st.sampled_from(s.Operator), inner, inner),
        st.builds(s.Comparison, st.sampled_from(s.Operator), inner, LITERALS),
        st.builds(s.Comparison, st.just(s.Operator.IN), inner, st.lists(LITERALS, max_size=3).map(tuple).map(s.ListOf)),
        st.builds(
            s.Comparison, st.sampled_from([s.Operator.EQUAL, s.Operator.UNEQUAL]), inner, st.just(s.Glob("/tmp/*"))
        ),
        st.builds(s.And, several),
        st.builds(s.Or, several),
        st.builds(s.Xor, several),
        st.builds(s.Not, inner),
        st.builds(s.IsNull, inner),
        st.builds(s.Arithmetic, st.sampled_from(s.Sign), inner, inner),
        st.builds(s.Negative, inner),
        st.builds(s.ListOf, several),
        st.builds(lambda a, b: s.MapOf((("a", a), ("b", b))), inner, inner),
        st.builds(s.Property, inner, st.sampled_from(["a", "path", "size", "id"])),
        st.builds(s.Index, inner, inner),
        st.builds(s.Slice, inner, inner, st.none() | inner),
        st.builds(lambda name, a: s.Call(name, (a,)), FUNCTIONS, inner),
        st.builds(lambda name, a, b: s.Call(name, (a, b)), BINARY, inner, inner),
        st.builds(lambda a, b, c: s.Call("replace", (a, b, c)), inner, inner, inner),
        st.builds(lambda a, b, c: s.Case(None, ((a, b),), c), inner, inner, inner),
        st.builds(lambda a, b, c, d: s.Case(a, ((b, c),), d), inner, inner, inner, inner),
        st.builds(s.Quantifier, st.sampled_from(s.Quantity), st.just("u"), inner, inner),
        st.builds(s.ListComprehension, st.just("u"), inner, st.none() | inner, st.none() | inner),
        st.builds(s.Reduce, st.just("w"), inner, st.just("u"), inner, inner),
    )


def string(inner: st.SearchStrategy[s.Expression]) -> st.SearchStrategy[s.Expression]:
    """Of strings, a string; now and then UNKNOWN or null."""
    unary = st.sampled_from(["tolower", "toupper", "trim", "ltrim", "rtrim", "tostring"])
    return st.one_of(
        st.builds(lambda name, a: s.Call(name, (a,)), unary, inner),
        st.builds(s.Arithmetic, st.just(s.Sign.PLUS), inner, inner),
        st.builds(lambda a, b: s.Call("coalesce", (a, b)), inner, inner),
        st.builds(lambda a, b, i: s.Index(s.ListOf((a, b)), s.Literal(i)), inner, inner, st.integers(-2, 2)),
        st.builds(lambda a, b, c: s.Case(a, ((b, b),), c), inner, inner, inner),
    )


STRINGS = st.recursive(st.sampled_from(["v", "w", "u"]).map(s.Variable) | WORDS.map(s.Literal), string, max_leaves=3)
CONSTANTS = WORDS.map(s.Literal)
SETS = st.lists(CONSTANTS | st.just(s.Literal(None)), max_size=3).map(tuple).map(s.ListOf)
REGEXES = st.sampled_from(["/tmp/.*", "(?s)/tmp/.*", "x", "[a-z]*", "(?i)A.*"]).map(s.Literal)
LISTS = st.lists(STRINGS, max_size=3).map(tuple).map(s.ListOf)


def truth(inner: st.SearchStrategy[s.Expression]) -> st.SearchStrategy[s.Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(s.And, several),
        st.builds(s.Or, several),
        st.builds(s.Xor, several),
        st.builds(s.Not, inner),
        st.builds(s.Quantifier, st.sampled_from(s.Quantity), st.just("u"), LISTS, inner),
        st.builds(lambda a, b, c: s.Case(None, ((a, b),), c), inner, inner, inner),
    )


TESTS = st.one_of(
    st.builds(s.Comparison, st.sampled_from(s.Operator).filter(lambda o: o is not s.Operator.IN), STRINGS, STRINGS),
    st.builds(s.Comparison, st.sampled_from(s.Operator).filter(lambda o: o is not s.Operator.IN), STRINGS, CONSTANTS),
    st.builds(s.Comparison, st.just(s.Operator.IN), STRINGS, SETS | LISTS),
    st.builds(s.Comparison, st.just(s.Operator.MATCHES), STRINGS, REGEXES),
    st.builds(s.Comparison, st.sampled_from([s.Operator.EQUAL, s.Operator.LESS]), LISTS, LISTS),
    st.builds(s.IsNull, STRINGS),
)
TRUTHS = st.recursive(TESTS, truth, max_leaves=4)
EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=6) | TRUTHS | STRINGS


class NoPatterns:
    def predicate(self, predicate: s.PatternPredicate, /) -> Compiled:
        raise AssertionError

    def comprehension(self, comprehension: s.PatternComprehension, /) -> Compiled:
        raise AssertionError

    def exists(self, exists: s.Exists, /) -> Compiled:
        raise AssertionError


def run(expression: s.Expression, values: dict[str, Value], graph: MemoryGraph, meaning: Meaning) -> Value | Exception:
    context = Context(graph, meaning, {}, Budget(Limits(steps=100_000)))
    try:
        return compile_expression(expression, NoPatterns())(Frame(values, context))
    except (QueryError, SpentError) as error:
        return error


def stands_for(abstract: Value, concrete: Value) -> bool:
    """Whether `concrete` is one of what `abstract` stands for; nodes of the model are named by one letter."""
    if abstract is UNKNOWN:
        return True
    if isinstance(abstract, Text):
        return isinstance(concrete, str) and abstract.equals(concrete) is not False
    if isinstance(abstract, NodeId):
        return isinstance(concrete, str) and concrete[:1] == abstract.name
    if isinstance(abstract, NodeValue):
        return isinstance(concrete, NodeValue) and concrete.name[:1] == abstract.name
    if isinstance(abstract, tuple) and isinstance(concrete, tuple):
        return len(abstract) == len(concrete) and all(map(stands_for, abstract, concrete))
    if isinstance(abstract, dict) and isinstance(concrete, dict):
        return abstract.keys() == concrete.keys() and all(
            stands_for(abstract[name], concrete[name]) for name in abstract
        )
    return key(abstract) == key(concrete)


def check(expression: s.Expression, pairs: tuple[Pair, Pair, Pair]) -> None:
    abstract = run(expression, dict(zip(NAMES, (a for a, _ in pairs), strict=True)), MODEL, Meaning.INSTANCES)
    concrete = run(expression, dict(zip(NAMES, (c for _, c in pairs), strict=True)), GRAPH, Meaning.CONCRETE)
    if not (isinstance(abstract, Exception) or isinstance(concrete, Exception)):
        assert stands_for(abstract, concrete)


@given(EXPRESSIONS, st.tuples(PAIRS, PAIRS, PAIRS))
def test_the_abstract_answer_covers_the_concrete_one(expression: s.Expression, pairs: tuple[Pair, Pair, Pair]) -> None:
    """On a model of instances, an answer that is not UNKNOWN is the answer on every instance that has one."""
    check(expression, pairs)


@given(TRUTHS, st.tuples(texts(), texts(), texts() | PAIRS))
def test_a_condition_on_patterns_covers_those_on_their_strings(
    condition: s.Expression, pairs: tuple[Pair, Pair, Pair]
) -> None:
    check(condition, pairs)


@given(TESTS | TRUTHS, st.sampled_from(["a1", "a2"]), st.sampled_from(["a1", "a2"]), st.booleans(), texts())
def test_a_test_of_one_state_covers_any_two_of_its_nodes(
    test: s.Expression, one: str, other: str, ids: bool, text: Pair
) -> None:
    state = NodeId("a") if ids else NodeValue("a")
    check(test, ((state, one if ids else NodeValue(one)), (state, other if ids else NodeValue(other)), text))


@given(EXPRESSIONS, st.tuples(ANYTHING, ANYTHING, ANYTHING))
def test_of_concrete_values_the_answer_is_concrete(
    expression: s.Expression, values: tuple[Value, Value, Value]
) -> None:
    """And nothing but a `QueryError` or the end of the budget ever comes instead of one."""
    found = run(expression, dict(zip(NAMES, values, strict=True)), GRAPH, Meaning.CONCRETE)
    assert isinstance(found, Exception) or not is_abstract(found)
