"""Expressions, as a query writes them, and what they are worth."""

from __future__ import annotations

import math

import pytest

from policies import syntax as s
from policies.errors import QueryError
from policies.expressions import compile_expression
from policies.frame import Compiled, Context, Frame
from policies.graph import Edge, Meaning, MemoryGraph, OwnEdge
from policies.limits import Budget, Limits, SpentError
from policies.parse import parse_query
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import NodeId, NodeValue, PathValue, Value

READ = Edge("p", "USED", "read", "f")
RATED = OwnEdge("f", "RATED", "", "p", "1", {"stars": 4})
GRAPH = MemoryGraph(
    {"p": ("Process", {"name": "sh", "pid": 7}), "f": (("File", "Secret"), {"path": "/etc/passwd", "id": "own"})},
    [READ, RATED],
)
NAMES: dict[str, Value] = {
    "n": NodeValue("p"),
    "f": NodeValue("f"),
    "r": READ,
    "rated": RATED,
    "p": PathValue(("p", "f"), (READ,)),
    "none": None,
    "any": UNKNOWN,
    "one": 1,
    "text": "abc",
    "truth": True,
    "list": (1, 2, 3),
    "map": {"a": 1, "b": None},
    "home": Text.of("/home/{any}/x"),
    "ident": NodeId("p"),
}


class NoPatterns:
    """Patterns are tested where they are matched."""

    def predicate(self, predicate: s.PatternPredicate, /) -> Compiled:
        return lambda frame: True

    def comprehension(self, comprehension: s.PatternComprehension, /) -> Compiled:
        return lambda frame: (1, 2)

    def exists(self, exists: s.Exists, /) -> Compiled:
        return lambda frame: False


def expression(text: str) -> s.Expression:
    head = ", ".join(f"$x AS {name}" for name in NAMES)
    clause = parse_query(f"WITH {head}\nRETURN {text} AS it").parts[0].clauses[-1]
    assert isinstance(clause, s.Return)
    return clause.projection.items[0].expression


def value(text: str, meaning: Meaning = Meaning.CONCRETE, limits: Limits = Limits()) -> Value:  # noqa: B008
    context = Context(GRAPH, meaning, {"x": 5, "list": (1, "a")}, Budget(limits))
    return compile_expression(expression(text), NoPatterns())(Frame(dict(NAMES), context))


def fault(text: str) -> tuple[str, str]:
    with pytest.raises(QueryError) as caught:
        value(text)
    return caught.value.kind, caught.value.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2", 3),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("7.0 / 2", 3.5),
        ("7 % 3", 1),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("-7.5 % 2", -1.5),
        ("2 ^ 3", 8.0),
        ("4 ^ (3 * 2) ^ 3", 68719476736.0),
        ("-3 ^ 2", 9.0),
        ("(-8.0) ^ -1", -0.125),
        ("1 + 2.5", 3.5),
        ("'a' + 'b'", "ab"),
        ("'a' + 1", "a1"),
        ("1 + 'a'", "1a"),
        ("'a' + 1.0", "a1.0"),
        ("[1] + [2]", (1, 2)),
        ("[1] + 2", (1, 2)),
        ("1 + [2]", (1, 2)),
        ("[[1]] + [[2]]", ((1,), (2,))),
        ("1 + null", None),
        ("null + [1]", None),
        ("any + null", None),
        ("any * 2", UNKNOWN),
        ("-one", -1),
        ("-none", None),
        ("-any", UNKNOWN),
        ("1.0 / 0", math.inf),
        ("-1.0 / 0.0", -math.inf),
        ("12 / 4 * 3 - 2 * 4", 1),
        ("12 / 4 * (3 - 2 * 4)", -15),
        ("10.0 ^ 400", math.inf),
        ("(-10.0) ^ 401", -math.inf),
        ("0.0 ^ -1", math.inf),
    ],
)
def test_arithmetic(text: str, expected: Value) -> None:
    found = value(text)
    assert found == expected and type(found) is type(expected)


def test_what_is_no_number_is_nan() -> None:
    for text in ("0.0 / 0.0", "(-8.0) ^ 0.5", "1.0 % 0.0", "1.0 / 0 % 2"):
        found = value(text)
        assert isinstance(found, float) and math.isnan(found), text


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("9223372036854775807 + 1", "IntegerOverflow"),
        ("-9223372036854775808 - 1", "IntegerOverflow"),
        ("4611686018427387904 * 2", "IntegerOverflow"),
        ("-(-9223372036854775807 - one)", "IntegerOverflow"),
        ("1 / 0", "DivisionByZero"),
        ("one % 0", "DivisionByZero"),
    ],
)
def test_integers_have_64_bits(text: str, detail: str) -> None:
    assert fault(text) == ("ArithmeticError", detail)


def test_64_bits_are_used_to_the_last() -> None:
    assert value("-9223372036854775807 - 1") == -(1 << 63)
    assert value("9223372036854775806 + 1") == (1 << 63) - 1


@pytest.mark.parametrize(
    "text", ["text - one", "truth + one", "map + one", "n + 1", "-text", "text * 2", "truth + text"]
)
def test_operands_of_the_wrong_sort_are_errors(text: str) -> None:
    assert fault(text) == ("TypeError", "InvalidArgumentType")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, 3][0]", 1),
        ("[1, 2, 3][-1]", 3),
        ("[1, 2, 3][3]", None),
        ("[1, 2, 3][-4]", None),
        ("[1, 2, 3][none]", None),
        ("none[0]", None),
        ("[[1]][0][0]", 1),
        ("list[any]", UNKNOWN),
        ("any[0]", UNKNOWN),
        ("map['a']", 1),
        ("map['c']", None),
        ("map[none]", None),
        ("map[home]", UNKNOWN),
        ("n['name']", "sh"),
        ("r['operation']", "read"),
        ("rated.stars", 4),
        ("map.a", 1),
        ("map.b", None),
        ("{a: {b: [1, 2]}}.a.b[1]", 2),
        ("n.name", "sh"),
        ("n.missing", None),
        ("none.name", None),
        ("any.name", UNKNOWN),
        ("n.id", "p"),
        ("f.id", "own"),
        ("[1, 2, 3, 4, 5][1..3]", (2, 3)),
        ("[1, 2, 3][1..]", (2, 3)),
        ("[1, 2, 3][..2]", (1, 2)),
        ("[1, 2, 3][0..1]", (1,)),
        ("[1, 2, 3][0..0]", ()),
        ("[1, 2, 3][-3..-1]", (1, 2)),
        ("[1, 2, 3][0..10]", (1, 2, 3)),
        ("[1, 2, 3][-10..1]", (1,)),
        ("[1, 2, 3][2..1]", ()),
        ("[1, 2, 3][none..2]", None),
        ("[1, 2, 3][1..none]", None),
        ("none[1..2]", None),
        ("list[any..]", UNKNOWN),
    ],
)
def test_access(text: str, expected: Value) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("map[one]", "MapElementAccessByNonString"),
        ("map[1.5]", "MapElementAccessByNonString"),
        ("list[text]", "ListElementAccessByNonInteger"),
        ("list[truth]", "ListElementAccessByNonInteger"),
        ("list[1.0]", "ListElementAccessByNonInteger"),
        ("list['a'..2]", "ListElementAccessByNonInteger"),
        ("one[0]", "InvalidArgumentType"),
        ("text[0]", "InvalidArgumentType"),
        ("text[0..1]", "InvalidArgumentType"),
        ("one.num", "InvalidArgumentType"),
        ("list.num", "InvalidArgumentType"),
        ("one:Label", "InvalidArgumentType"),
    ],
)
def test_what_cannot_be_reached_into(text: str, detail: str) -> None:
    assert fault(text) == ("TypeError", detail)


def test_an_error_says_where() -> None:
    with pytest.raises(QueryError) as caught:
        value("1 + (list[text])")
    assert (caught.value.line, caught.value.column) != (0, 0)
    assert caught.value.line == 2


def test_labels() -> None:
    assert value("n:Process") is True and value("n:File") is False
    assert value("f:File:Secret") is True and value("f:File:Other") is False
    assert value("r:USED") is True and value("none:File") is None and value("any:File") is UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true AND none", None),
        ("false AND none", False),
        ("none AND any", UNKNOWN),
        ("any AND none", UNKNOWN),
        ("any OR none", UNKNOWN),
        ("any AND false", False),
        ("none OR true", True),
        ("none OR any", UNKNOWN),
        ("false OR any", UNKNOWN),
        ("any OR true", True),
        ("true XOR true", False),
        ("true XOR none", None),
        ("any XOR none", None),
        ("any XOR true", UNKNOWN),
        ("true XOR true XOR true", True),
        ("NOT none", None),
        ("NOT any", UNKNOWN),
        ("NOT NOT truth", True),
        ("none IS NULL", True),
        ("none IS NOT NULL", False),
        ("any IS NULL", UNKNOWN),
        ("home IS NULL", False),
        ("map.b IS NULL", True),
    ],
)
def test_logic(text: str, expected: Value) -> None:
    assert value(text) is expected


@pytest.mark.parametrize("text", ["truth AND one", "none OR text", "NOT list", "truth XOR map"])
def test_logic_is_of_truth_values(text: str) -> None:
    assert fault(text) == ("TypeError", "InvalidArgumentType")


def test_logic_stops_where_it_is_decided() -> None:
    assert value("false AND one / 0 = 1") is False
    assert value("true OR one / 0 = 1") is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text = 'abc'", True),
        ("text <> 'abc'", False),
        ("text < 'abd'", True),
        ("text >= 'abd'", False),
        ("one = 1.0", True),
        ("1 < 2 < 3", True),
        ("3 > 2 > 2", False),
        ("one = 'a'", False),
        ("one < 'a'", None),
        ("'a' < none", None),
        ("none = none", None),
        ("none <> none", None),
        ("text STARTS WITH 'ab'", True),
        ("text ENDS WITH 'ab'", False),
        ("text CONTAINS 'b'", True),
        ("text STARTS WITH ''", True),
        ("text STARTS WITH none", None),
        ("one STARTS WITH 'a'", None),
        ("'a' CONTAINS list", None),
        ("any CONTAINS 'a'", UNKNOWN),
        ("any CONTAINS 1", None),
        ("text =~ 'a.c'", True),
        ("text =~ 'a.'", False),
        ("text =~ none", None),
        ("one =~ 'a'", None),
        ("text =~ 'A' + 'BC'", False),
        ("text =~ '(?i)A' + 'BC'", True),
        ("1 IN [1, 2]", True),
        ("one IN [2, 1.0]", True),
        ("3 IN [1, null]", None),
        ("1 IN [1, null]", True),
        ("text IN ['x', 'abc']", True),
        ("text IN ['x', null]", None),
        ("text IN [1, 2]", False),
        ("none IN []", False),
        ("none IN [1]", None),
        ("any IN []", False),
        ("any IN [1]", UNKNOWN),
        ("1 IN none", None),
        ("[1] IN [[1], 2]", True),
        ("[1, 2] IN [[1, null]]", None),
        ("truth IN [1]", False),
        ("one IN [true]", False),
        ("one IN ['1', null]", None),
        ("1.0 IN [1, null]", True),
        ("0.0 / 0.0 IN [1]", False),
        ("1 IN $list", True),
        ("'a' IN $list", True),
    ],
)
def test_comparison(text: str, expected: Value) -> None:
    assert value(text) is expected


def test_in_needs_a_list() -> None:
    assert fault("one IN text") == ("TypeError", "InvalidArgumentType")


def test_a_regex_made_at_run_time_may_be_wrong_and_that_is_said() -> None:
    assert fault("text =~ ('a' + '(')") == ("ArgumentError", "InvalidArgumentValue")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("home = 'x'", False),
        ("home = '/home/a/x'", UNKNOWN),
        ("home <> 'x'", True),
        ("home STARTS WITH '/home/'", True),
        ("home STARTS WITH '/etc/'", False),
        ("home ENDS WITH '/x'", True),
        ("home CONTAINS 'zz'", UNKNOWN),
        ("'/home' STARTS WITH home", False),
        ("'/x' ENDS WITH home", False),
        ("'/home' CONTAINS home", False),
        ("home =~ '/home/.*'", UNKNOWN),
        ("home =~ '(?s)/home/.*'", True),
        ("home IN ['a', 'b']", False),
        ("home IN ['a', null]", None),
        ("home IN ['/home/a/x', 'b']", UNKNOWN),
        ("home IN [1, 'b']", False),
        ("home = 1", False),
        ("home < 1", None),
        ("home + '/y' STARTS WITH '/home/'", True),
        ("coalesce(none, home) ENDS WITH 'x'", True),
        ("CASE WHEN home = 'x' THEN 1 ELSE 2 END", 2),
        ("CASE WHEN home = '/home/a/x' THEN 1 ELSE 2 END", UNKNOWN),
        ("ident = 'p'", UNKNOWN),
        ("ident = 1", False),
        ("ident + 'a'", UNKNOWN),
        ("[x IN [home, 'a'] WHERE x STARTS WITH '/home/']", (NAMES["home"],)),
        ("[x IN [home, 'a'] WHERE x = '/home/a/x']", UNKNOWN),
        ("any(x IN [home, 'a'] WHERE x = 'a')", True),
        ("all(x IN [home, any] WHERE x = 'a')", False),
        ("[x IN any | 1]", UNKNOWN),
        ("size([any, any])", 2),
    ],
)
def test_abstract_values(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_on_a_model_of_instances_a_node_may_be_another_of_its_state() -> None:
    for meaning, same in ((Meaning.CONCRETE, True), (Meaning.STATES, True), (Meaning.INSTANCES, UNKNOWN)):
        assert value("n = n", meaning) is same
        assert value("n <> f", meaning) is True
        assert value("r = r", meaning) is same
        assert value("p = p", meaning) is same
        assert value("[n] = [n]", meaning) is same
        assert value("n IN [f, n]", meaning) is same
        assert value("CASE n WHEN n THEN 1 ELSE 2 END", meaning) == (1 if same is True else UNKNOWN)
    assert value("id(n) = id(n)", Meaning.INSTANCES) is UNKNOWN
    assert value("id(n) = id(f)", Meaning.INSTANCES) is False
    assert value("id(n) < id(f)", Meaning.INSTANCES) is UNKNOWN
    assert value("n.id", Meaning.INSTANCES) == NodeId("p")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all(x IN [1, 2] WHERE x > 0)", True),
        ("all(x IN [1, null] WHERE x > 0)", None),
        ("all(x IN [-1, null] WHERE x > 0)", False),
        ("any(x IN [1, null] WHERE x > 0)", True),
        ("any(x IN [-1, null] WHERE x > 0)", None),
        ("none(x IN [-1, -2] WHERE x > 0)", True),
        ("none(x IN [] WHERE x > 0)", True),
        ("single(x IN [1, -2] WHERE x > 0)", True),
        ("single(x IN [1, 2] WHERE x > 0)", False),
        ("single(x IN [1, null] WHERE x > 0)", None),
        ("single(x IN [1, 2, null] WHERE x > 0)", False),
        ("single(x IN [1, any] WHERE x > 0)", UNKNOWN),
        ("all(x IN none WHERE x > 0)", None),
        ("any(x IN list WHERE any(y IN list WHERE x + y = 6))", True),
        ("[x IN [1, 2, 3] WHERE x > 1 | x * 2]", (4, 6)),
        ("[x IN [1, 2, 3] WHERE x > 1]", (2, 3)),
        ("[x IN [1, null] | x]", (1, None)),
        ("[x IN [true, null] WHERE x]", (True,)),
        ("[one IN [5] | one]", (5,)),
        ("[x IN none | 1]", None),
        ("reduce(sum = 0, x IN [1, 2, 3] | sum + x)", 6),
        ("reduce(sum = 0, x IN [] | sum + x)", 0),
        ("reduce(sum = 0, x IN none | sum + x)", None),
        ("reduce(acc = [], x IN [1, 2] | [x] + acc)", (2, 1)),
        ("CASE one WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END", "a"),
        ("CASE 3 WHEN 1 THEN 'a' END", None),
        ("CASE none WHEN null THEN 'a' ELSE 'b' END", "b"),
        ("CASE WHEN none THEN 1 WHEN one = 1 THEN 2 END", 2),
        ("CASE '1' WHEN 1 THEN 'a' ELSE 'b' END", "b"),
        ("CASE WHEN one = 2 THEN one / 0 ELSE 4 END", 4),
        ("$x + 1", 6),
        ("{a: 1, b: [text]}", {"a": 1, "b": ("abc",)}),
        ("exists(n.name)", True),
        ("exists(n.nope)", False),
        ("exists(any.nope)", UNKNOWN),
        ("exists((n)-->())", True),
        ("size([(n)-->() | 1])", 2),
        ("EXISTS { (n)-->() }", False),
    ],
)
def test_loops_and_choices(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_an_inner_variable_leaves_the_outer_one_alone() -> None:
    frame = Frame({**NAMES, "x": "outer"}, Context(GRAPH, Meaning.CONCRETE, {}, Budget(Limits())))
    compile_expression(expression("[x IN [1, 2] | reduce(y = 0, x IN [x, 5] | y + x)]"), NoPatterns())(frame)
    assert frame.values["x"] == "outer" and "y" not in frame.values


def test_a_loop_needs_a_list() -> None:
    for text in ("[x IN one | x]", "all(x IN one WHERE x = 1)", "reduce(a = 0, x IN one | a)"):
        assert fault(text) == ("TypeError", "InvalidArgumentType")


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(QueryError, match="missing"):
        value("$missing")


@pytest.mark.parametrize(
    "text",
    [
        "reduce(a = 'x', x IN range(1, 100) | a + a)",
        "reduce(a = [1], x IN range(1, 100) | a + a)",
        "reduce(a = [1], x IN range(1, 100) | [a, a])",
        "reduce(a = [], x IN range(1, 100000) | [a])",
        "reduce(a = {}, x IN range(1, 100000) | {a: a})",
        "reduce(a = [1], x IN range(1, 100) | [y IN [a, a] | y])",
        "reduce(a = 'x', x IN range(1, 100) | replace(a, 'x', 'xx'))",
        "range(1, 9223372036854775807)",
        "range(-9223372036854775808, 9223372036854775807, 1)",
        "[x IN range(1, 1000000) | range(1, 1000000)]",
        "split(reduce(a = 'x', x IN range(1, 22) | a + a), '')",
    ],
)
def test_nothing_outgrows_its_bounds(text: str) -> None:
    with pytest.raises((QueryError, SpentError)):
        value(text)


def test_loops_pay_for_their_elements() -> None:
    assert value("size([x IN range(1, 100) | x])", limits=Limits(steps=1000)) == 100
    with pytest.raises(SpentError):
        value("size([x IN range(1, 100) | x])", limits=Limits(steps=150))
