"""What has no meaning is refused before it runs, in the words of openCypher's conformance suite."""

import re

import pytest

from policies.check_scope import MAX_ERRORS
from policies.errors import PolicyErrors, QueryError
from policies.parse import parse_query


def details(text: str) -> set[str]:
    """The details of all errors of a query."""
    try:
        parse_query(text)
    except PolicyErrors as errors:
        return set(errors.details)
    except QueryError as error:
        return {error.detail}
    return set()


NAMES = """
UndefinedVariable | RETURN foo
UndefinedVariable | RETURN {k1: k2}
UndefinedVariable | MATCH (n) WHERE (a) RETURN n
UndefinedVariable | MATCH (n) WHERE (n)-[r:R*0..2]->(a {x: 5}) RETURN n
UndefinedVariable | MATCH (n) WITH n.x AS x RETURN n
UndefinedVariable | MATCH (n) RETURN any(x IN x WHERE true)
UndefinedVariable | UNWIND xs AS x RETURN x
VariableTypeConflict | MATCH ()-[r]-() MATCH (r) RETURN r
VariableTypeConflict | MATCH (r) MATCH ()-[r]-() RETURN r
VariableTypeConflict | MATCH ()-[r*]-()-[]-(r) RETURN r
VariableTypeConflict | MATCH p = ()-[]-(), (p) RETURN p
VariableTypeConflict | WITH 123 AS n MATCH (n) RETURN n
VariableTypeConflict | WITH {x: 1} AS r MATCH ()-[r]-() RETURN r
VariableTypeConflict | MATCH (n) WITH [n] AS users MATCH (users)-->(m) RETURN m
VariableTypeConflict | MATCH (n) WITH [n] AS users MATCH ()-[users*]->(m) RETURN m
VariableTypeConflict | MATCH p = ()-->() UNWIND nodes(p) AS n MATCH ()-[n]->() RETURN n
VariableAlreadyBound | MATCH (p), p = ()--() RETURN p
VariableAlreadyBound | MATCH p = (p)--() RETURN p
VariableAlreadyBound | MATCH p = ()-[p]-() RETURN p
VariableAlreadyBound | WITH true AS p MATCH p = ()--() RETURN p
VariableAlreadyBound | MATCH (a) UNWIND [1] AS a RETURN a
RelationshipUniquenessViolation | MATCH (a)-[r]->()-[r]->(a) RETURN r
RelationshipUniquenessViolation | MATCH (a)-[r]->(), ()-[r]->(a) RETURN r
InvalidParameterUse | MATCH (n $param) RETURN n
InvalidParameterUse | MATCH ()-[r:R $param]->() RETURN r
InvalidRelationshipPattern | MATCH (a)-[:LIKES..]->(c) RETURN c
InvalidRelationshipPattern | MATCH (a)-[:LIKES*-2]->(c) RETURN c
NoVariablesInScope | MATCH () RETURN *
"""
SORTS = """
InvalidArgumentType | RETURN 123 AND true
InvalidArgumentType | RETURN NOT {a: 1}
InvalidArgumentType | RETURN true XOR 'a'
InvalidArgumentType | MATCH (n) WHERE (n) RETURN n
InvalidArgumentType | MATCH (n) WHERE 1 RETURN n
InvalidArgumentType | MATCH p = ()-[*]->() WHERE p.name = 'a' RETURN p
InvalidArgumentType | WITH [123, true] AS x RETURN x.num
InvalidArgumentType | MATCH ()-[r*]->() RETURN r.name
InvalidArgumentType | MATCH p = (a) RETURN labels(p)
InvalidArgumentType | MATCH p = (a)-->() RETURN size(p)
InvalidArgumentType | MATCH (n) RETURN length(n)
InvalidArgumentType | MATCH (n) RETURN type(n)
InvalidArgumentType | RETURN properties('x')
InvalidArgumentType | RETURN 1 IN 'foo'
InvalidArgumentType | RETURN single(x IN ['Clara'] WHERE x % 2 = 0)
InvalidArgumentType | RETURN [x IN [true] | -x]
InvalidArgumentType | RETURN [x IN 1 | x]
InvalidArgumentType | RETURN reduce(n = 0, x IN true | n)
InvalidArgumentType | RETURN 1:A
InvalidArgumentType | MATCH ()-[r*]->() RETURN r[0] AND true
InvalidArgumentType | MATCH (n) UNWIND [n] AS x RETURN NOT x
InvalidArgumentType | MATCH (n) RETURN exists(1)
InvalidArgumentType | MATCH (n) RETURN n LIMIT 1.5
InvalidArgumentType | MATCH (n) RETURN n SKIP 'a'
InvalidArgumentValue | RETURN 'a' =~ '('
UnknownFunction | RETURN foo(1)
InvalidNumberOfArguments | RETURN toUpper('a', 'b')
InvalidNumberOfArguments | RETURN coalesce()
UnexpectedSyntax | RETURN toUpper(DISTINCT 'a')
UnexpectedSyntax | RETURN sum(*)
"""
PLACES = """
UnexpectedSyntax | MATCH (n) RETURN (n)-[]->()
UnexpectedSyntax | MATCH (n) WITH (n)-[]->() AS x RETURN x
UnexpectedSyntax | MATCH (n) RETURN size((n)-->())
UnexpectedSyntax | MATCH (n) WHERE (n)-->() = true RETURN n
InvalidAggregation | MATCH (a) WHERE count(a) > 10 RETURN a
InvalidAggregation | MATCH (n) RETURN [x IN [1, 2] | count(*)]
InvalidAggregation | MATCH (n) WITH n.x AS x ORDER BY count(1) RETURN x
InvalidAggregation | MATCH (n) RETURN n.x AS x, count(*) ORDER BY max(x)
InvalidAggregation | MATCH (n) RETURN n.x AS x, count(*) ORDER BY max(n.x)
InvalidAggregation | MATCH (n) WITH n.x AS x, count(*) AS c WHERE count(*) > 1 RETURN x
InvalidAggregation | UNWIND [count(*)] AS x RETURN x
NestedAggregation | RETURN count(count(*))
NonConstantExpression | RETURN count(rand())
NonConstantExpression | MATCH (n) RETURN n SKIP n.count
NonConstantExpression | RETURN 1 LIMIT size([()-->() | 1])
NegativeIntegerArgument | MATCH (n) RETURN n SKIP -1
NegativeIntegerArgument | MATCH (n) RETURN n LIMIT -3
AmbiguousAggregationExpression | MATCH (me)--(you) RETURN me.age + count(you.age)
AmbiguousAggregationExpression | MATCH (me)--(you) RETURN me.age + you.age, me.age + you.age + count(*)
AmbiguousAggregationExpression | MATCH (m)--(y) RETURN m.x + y.x, count(*) AS c ORDER BY m.x + y.x + count(*)
AmbiguousAggregationExpression | UNWIND [1] AS x RETURN [y IN collect(x) | y + x]
UndefinedVariable | MATCH (me)--(you) RETURN count(you.age) AS agg ORDER BY me.age + count(you.age)
UndefinedVariable | MATCH (a) RETURN DISTINCT a.name ORDER BY a.age
UndefinedVariable | MATCH (a)-->(b) WITH DISTINCT a WHERE (a)-->(b) RETURN a
ColumnNameConflict | RETURN 1 AS a, 2 AS a
ColumnNameConflict | MATCH (a) WITH *, 1 AS a RETURN a
NoExpressionAlias | MATCH (a) WITH a, count(*) RETURN a
DifferentColumnsInUnion | RETURN 1 AS a UNION RETURN 2 AS b
InvalidClauseComposition | RETURN 1 AS a UNION RETURN 2 AS a UNION ALL RETURN 3 AS a
InvalidClauseComposition | MATCH (a) RETURN a MATCH (b) RETURN b
InvalidClauseComposition | MATCH (a)
InvalidClauseComposition | MATCH (n) WHERE exists { MATCH (n)-->(m) SET m.prop = 1 } RETURN n
"""
TEXTS = """
IntegerOverflow | RETURN 9223372036854775808
IntegerOverflow | RETURN -9223372036854775809
IntegerOverflow | RETURN - -9223372036854775808
IntegerOverflow | RETURN 0x8000000000000000
IntegerOverflow | RETURN -0o1000000000000000000001
FloatingPointOverflow | RETURN 1.34E999
InvalidNumberLiteral | RETURN 9223372h54775808
InvalidNumberLiteral | RETURN 0x1A2b3j4D5E6f7
InvalidUnicodeLiteral | RETURN '\\uH'
InvalidUnicodeLiteral | RETURN '\\ud800'
InvalidUnicodeCharacter | RETURN 42 — 41
InvalidUnicodeCharacter | RETURN “x”
UnexpectedSyntax | RETURN 9223372#54775808
UnexpectedSyntax | RETURN '\\q'
UnexpectedSyntax | RETURN {1B2c3e67: 1}
UnexpectedSyntax | RETURN [, ]
"""


def table(text: str) -> list[tuple[str, str]]:
    return [(line.split(" | ", 1)[0], line.split(" | ", 1)[1]) for line in text.strip().split("\n")]


@pytest.mark.parametrize(("detail", "text"), table(NAMES) + table(SORTS) + table(PLACES) + table(TEXTS))
def test_what_has_no_meaning_is_refused(detail: str, text: str) -> None:
    assert details(text) == {detail}


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (a)-[r]->() WITH a, r MATCH (a)-[r]->(b) RETURN b",
        "MATCH ()-[r1]->()-[r2]->() WITH [r1, r2] AS rs MATCH (first)-[rs*]->(second) RETURN first",
        "WITH null AS a OPTIONAL MATCH p = (a)-->() RETURN nodes(p)",
        "MATCH (a)-->(b), (c) WITH coalesce(b, c) AS x MATCH (x)-->(d) RETURN d",
        "MATCH p = (a)-->() WITH head(nodes(p)) AS n MATCH (n)-->(m) RETURN m",
        "WITH 1 AS x RETURN [x IN [x] | x] AS x",
        "MATCH (a) WHERE a.x =~ a.y RETURN a",
        "RETURN single(x IN [1, 'a'] WHERE x % 2 = 0), all(x IN [] WHERE x)",
        "RETURN range(true, 1)",
        "RETURN toInteger([x IN [1, []] | x][0]), null.x, -null, NOT null",
        "MATCH (a) RETURN a, a.x + count(*), count(a) + 3",
        "MATCH (a) WITH *, a.x + count(*) AS c RETURN c",
        "WITH $p AS x MATCH (a) WHERE (x)-->(a) OR x > 1 RETURN x - 1",
        "MATCH (n) OPTIONAL MATCH (n)-[r]->() RETURN size([x IN collect(r) WHERE x <> null])",
        "MATCH (a)<--(b) RETURN a.name, {same: a.name = 'x', kids: collect(b.name)}",
        "MATCH (a) RETURN a.x AS age, count(*) AS c ORDER BY age, a.x + count(*), $p + count(*) - 1",
        "MATCH (a) WITH a.x % 3 AS m, min(a.y) AS l ORDER BY a.x % 3 RETURN *",
        "MATCH (a) WITH DISTINCT a.x AS x WHERE a.x = 'B' RETURN *",
        "MATCH (a), (b) WITH a WHERE b.x = 1 RETURN a ORDER BY a.y",
        "MATCH (a) RETURN a.x IS NULL AS a ORDER BY a.x IS NULL",
        "UNWIND [1] AS x RETURN [x IN collect(x) | x + 1]",
        "MATCH (a) RETURN DISTINCT a ORDER BY a.name",
        "MATCH (a) RETURN DISTINCT a.x AS x ORDER BY [a IN [x] | a + 1]",
        "MATCH (n) RETURN n SKIP toInteger(rand() * 9) LIMIT $l",
        "MATCH (n) WHERE exists { (n)-->(m) WHERE n.x = m.x } AND NOT exists((n)--()) RETURN n",
        "MATCH (n) WHERE exists { MATCH (n)-->(m) WITH n, count(*) AS c WHERE c = 3 RETURN true } RETURN n",
        "MATCH (n) RETURN CASE WHEN (n)-->() THEN 1 END, [x IN [n] WHERE (x)-->()], exists((n)-->())",
        "MATCH (a)-->(b) RETURN * UNION MATCH (b)-->(a) RETURN *",
        "RETURN -9223372036854775808, -0x8000000000000000, 1.7976931348623157e308",
    ],
)
def test_what_has_a_meaning_is_not_refused(text: str) -> None:
    assert details(text) == set()


def test_kinds_of_errors() -> None:
    for text, kind in (
        ("WITH 1 AS x RETURN x.y", "TypeError"),
        ("MATCH p = () RETURN p.y", "SyntaxError"),
        ("RETURN localtime()", "Unsupported"),
    ):
        with pytest.raises(QueryError) as caught:
            parse_query(text)
        assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("MATCH " + "(a)--" * 64 + "(a) RETURN a", "more than 64 nodes"),
        ("MATCH (a) WHERE (a)" + "--()" * 64 + " RETURN a", "more than 64 nodes"),
        ("MATCH (a) WHERE " + " OR ".join(["a.x =~ 'b'"] * 201) + " RETURN a", "more than 200 regular expressions"),
        ("MATCH (a) WHERE a.x =~ '(a{1,1000}){1,1000}' RETURN a", "not a regular expression"),
        ("UNWIND [1] AS x " + "WITH * " * 600 + "RETURN x", "more than 500 clauses"),
        (" UNION ".join(["RETURN 1 AS x"] * 501), "more than 500 clauses"),
    ],
)
def test_sizes_have_limits(text: str, part: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert part in caught.value.message


def test_hints_name_what_is_near() -> None:
    for text, hint in (
        ("MATCH (person) RETURN persn", "did you mean person?"),
        ("RETURN toUppr('a')", "did you mean toUpper?"),
        ("RETURN toUpper()", "toUpper(text)"),
    ):
        with pytest.raises(QueryError) as caught:
            parse_query(text)
        assert caught.value.hint == hint


def test_only_so_many_errors_are_told() -> None:
    with pytest.raises(PolicyErrors) as caught:
        parse_query("RETURN " + ", ".join(f"u{number} AS a{number}" for number in range(2 * MAX_ERRORS)))
    assert len(caught.value.errors) == MAX_ERRORS


def test_one_mistake_is_one_error() -> None:
    for text in ("RETURN length(foo.bar) + 1", "RETURN size(foo(1))", "MATCH (n) RETURN size((n)-->()) % 2"):
        with pytest.raises(QueryError):
            parse_query(text)


def test_every_error_says_where() -> None:
    for _, text in table(NAMES) + table(SORTS) + table(PLACES) + table(TEXTS):
        with pytest.raises((QueryError, PolicyErrors)) as caught:
            parse_query(text, "f")
        assert re.match(r"f:1:[1-9]", str(caught.value))
