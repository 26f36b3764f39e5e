"""The parser says what a query means or where it is wrong; there is no third outcome."""

import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies import syntax as s
from policies.errors import PolicyErrors, QueryError
from policies.parse import MAX_DEPTH, MAX_TEXT, MAX_TREE, parse_query


def clauses(text: str) -> tuple[s.Clause, ...]:
    return parse_query(text).parts[0].clauses


def condition(text: str) -> s.Expression | None:
    match = clauses(f"MATCH (a)-[r]->(b) WHERE {text} RETURN a")[0]
    return match.where if isinstance(match, s.Match) else None


def value(text: str) -> s.Expression:
    returned = clauses(f"MATCH (a)-[r]->(b), p = (c)-->(d) RETURN {text} AS x")[-1]
    return returned.projection.items[0].expression if isinstance(returned, s.Return) else s.Literal(None)


def path(text: str) -> s.PathPattern:
    match = clauses(f"MATCH {text} RETURN 1")[0]
    return match.paths[0] if isinstance(match, s.Match) else s.PathPattern(())


def step(text: str) -> s.RelationshipPattern:
    return path(f"(a){text}(b)").steps[0]


def refusal(text: str, lines: int = 0) -> str:
    with pytest.raises(InputError) as caught:
        parse_query(text, "p.cypher", lines)
    return str(caught.value)


A, B = s.Variable("a"), s.Variable("b")


def of(key: str, subject: s.Expression = A) -> s.Property:
    return s.Property(subject, key)


def test_a_whole_query() -> None:
    first, second, third = clauses(
        "optional match p = (a:A:B|C {k: 1})-[r:R|S*2..3]->() where a.x"
        " with distinct *, a.x as y order by y desc, a skip 1 limit $n where y"
        " return y, a . z"
    )
    node = s.NodePattern("a", (("A",), ("B", "C")), s.MapOf((("k", s.Literal(1)),)))
    edge = s.RelationshipPattern(s.Direction.OUT, "r", ("R", "S"), None, s.Hops(2, 3))
    assert first == s.Match((s.PathPattern((node, s.NodePattern()), (edge,), "p"),), of("x"), optional=True)
    order = (s.SortItem(s.Variable("y"), descending=True), s.SortItem(A))
    item = s.ReturnItem("y", of("x"), aliased=True)
    projection = s.Projection((item,), True, True, order, s.Literal(1), s.Parameter("n"))
    assert second == s.With(projection, s.Variable("y"))
    last = (s.ReturnItem("y", s.Variable("y")), s.ReturnItem("a . z", of("z")))
    assert third == s.Return(s.Projection(last))


def test_unions_and_unwind() -> None:
    query = parse_query("UNWIND [1] AS x RETURN x UNION ALL RETURN 2 AS x UNION ALL RETURN 3 AS x;")
    assert query.all
    assert len(query.parts) == 3
    assert query.parts[0].clauses[0] == s.Unwind(s.ListOf((s.Literal(1),)), "x")
    assert not parse_query("RETURN 1 AS x UNION RETURN 2 AS x").all


def test_directions_and_hops() -> None:
    assert [step(t).direction.value for t in ("-->", "<--", "--", "<-->", "<-[]-")] == ["->", "<-", "--", "--", "<-"]
    assert step("—[:X]—>").direction is s.Direction.OUT
    hops = [step(f"-[:USED{t}]-").hops for t in ("", "*", "*2", "*1..3", "*..3", "*2..", "*..", "*3..1", f"*{9**40}")]
    wanted = [(1, None), (2, 2), (1, 3), (1, 3), (2, None), (1, None), (3, 1), (1 << 31, 1 << 31)]
    assert hops == [None, *(s.Hops(*h) for h in wanted)]
    assert step("-[:USED|:WAS_GENERATED_BY]-").types == ("USED", "WAS_GENERATED_BY")


def test_shortest_paths() -> None:
    found = path("p = shortestPath((a)-[*]->(b))")
    assert (found.variable, found.shortest) == ("p", s.Shortest.ONE)
    assert path("AllShortestPaths((a)-[*..4]-(b))").shortest is s.Shortest.ALL
    assert "one step" in refusal("MATCH shortestPath((a)-->(c)-->(b)) RETURN a")


def test_the_published_form_speaks_of_edges_and_globs() -> None:
    found = path('(a:Process {name:"*"}) used (b:File {path:"/usr/bin/*", operation:"write"})')
    assert found.nodes[0].properties == s.MapOf((("name", s.Glob("*")),))
    assert found.nodes[1].properties == s.MapOf((("path", s.Glob("/usr/bin/*")),))
    operation = s.MapOf((("operation", s.Literal("write")),))
    assert found.steps == (s.RelationshipPattern(s.Direction.BOTH, None, ("USED", "WAS_GENERATED_BY"), operation),)
    plain = path("(a) USED (b) wasGeneratedBy (c {path: 'x'})")
    assert [(e.direction, e.types) for e in plain.steps] == [
        (s.Direction.OUT, ("USED",)),
        (s.Direction.OUT, ("WAS_GENERATED_BY",)),
    ]


def test_a_star_in_cypher_is_a_star() -> None:
    assert path("(a {path: '*'})").nodes[0].properties == s.MapOf((("path", s.Literal("*")),))


def test_precedence_of_conditions() -> None:
    a, b, c = (s.Comparison(s.Operator.EQUAL, of(k), s.Literal(1)) for k in "xyz")
    assert condition("a.x = 1 OR a.y = 1 AND NOT a.z = 1") == s.Or((a, s.And((b, s.Not(c)))))
    assert condition("a.x = 1 XOR a.y = 1 AND a.z = 1") == s.Xor((a, s.And((b, c))))
    low, high = s.Comparison(s.Operator.LESS, s.Literal(-1), of("x")), s.Literal(2.5)
    assert condition("-1 < a.x <= 2.5") == s.And((low, s.Comparison(s.Operator.AT_MOST, of("x"), high)))
    inside = s.Comparison(s.Operator.IN, of("y"), of("z"))
    assert condition("a.x = a.y IN a.z") == s.Comparison(s.Operator.EQUAL, of("x"), inside)


def sum_of(sign: s.Sign, left: s.Expression, right: s.Expression) -> s.Arithmetic:
    return s.Arithmetic(sign, left, right)


def test_precedence_of_calculations() -> None:
    x, y, z = of("x"), of("y"), of("z")
    assert value("a.x + a.y * a.z") == sum_of(s.Sign.PLUS, x, sum_of(s.Sign.TIMES, y, z))
    assert value("a.x - a.y - a.z") == sum_of(s.Sign.MINUS, sum_of(s.Sign.MINUS, x, y), z)
    assert value("-a.x ^ a.y") == sum_of(s.Sign.POWER, s.Negative(x), y)
    assert value("a.x ^ a.y ^ a.z") == sum_of(s.Sign.POWER, sum_of(s.Sign.POWER, x, y), z)
    assert value("(a.x) - (b.y)") == sum_of(s.Sign.MINUS, x, of("y", B))
    assert value("a.x IS NULL IS NOT NULL") == s.Not(s.IsNull(s.IsNull(x)))


def test_every_test_of_a_value() -> None:
    x = of("x")
    listed = s.ListOf((s.Literal("p"), s.Literal(None)))
    assert condition("a.x IN ['p', null]") == s.Comparison(s.Operator.IN, x, listed)
    assert condition("a.x starts  with 'p'") == s.Comparison(s.Operator.STARTS_WITH, x, s.Literal("p"))
    assert condition("a.x Ends With 'p'") == s.Comparison(s.Operator.ENDS_WITH, x, s.Literal("p"))
    assert condition("a.x CONTAINS 'p'") == s.Comparison(s.Operator.CONTAINS, x, s.Literal("p"))
    assert condition("a.x =~ '.*'") == s.Comparison(s.Operator.MATCHES, x, s.Literal(".*"))
    assert condition("a.x IS NOT NULL") == s.Not(s.IsNull(x))
    assert condition("a:A:B") == s.HasLabels(A, ("A", "B"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0xfF", 255),
        ("0o17", 15),
        ("-0x8000000000000000", -(2**63)),
        ("- -1", 1),
        (".5e1", 5.0),
        ("1e-3", 0.001),
        ("007", 7),
        (r"'\u00e9\U0001D11E\n\''", "é𝄞\n'"),
        (r"'\ud834\udd1e'", "𝄞"),
        ("TRUE", True),
        ("null", None),
    ],
)
def test_literals(text: str, wanted: s.Scalar) -> None:
    found = value(text)
    assert found == s.Literal(wanted)
    assert isinstance(found, s.Literal)
    assert type(found.value) is type(wanted)


def test_subjects() -> None:
    assert value("a.b.c['d'][1..]") == s.Slice(s.Index(of("c", of("b")), s.Literal("d")), s.Literal(1), None)
    assert value("$p[..2]") == s.Slice(s.Parameter("p"), None, s.Literal(2))
    assert value("{a: 1, null: [], `b c`: {}}") == s.MapOf(
        (("a", s.Literal(1)), ("null", s.ListOf(())), ("b c", s.MapOf(())))
    )
    assert value("count(*)") == s.CountAll()
    assert value("collect(DISTINCT a.x)") == s.Call("collect", (of("x"),), distinct=True)
    assert value("CASE a WHEN b THEN 1 ELSE 2 END") == s.Case(A, ((B, s.Literal(1)),), s.Literal(2))
    assert value("case when a.x then 1 end") == s.Case(None, ((of("x"), s.Literal(1)),))


def test_what_binds_names_of_its_own() -> None:
    x, items = s.Variable("x"), of("list")
    assert value("[x IN a.list]") == s.ListComprehension("x", items)
    assert value("[x IN a.list WHERE x.y | x]") == s.ListComprehension("x", items, of("y", x), x)
    assert value("[1 IN a.list, true]") == s.ListOf((s.Comparison(s.Operator.IN, s.Literal(1), items), s.Literal(True)))
    assert value("single(x IN a.list WHERE x.y)") == s.Quantifier(s.Quantity.SINGLE, "x", items, of("y", x))
    added = sum_of(s.Sign.PLUS, s.Variable("n"), x)
    assert value("reduce(n = 0, x IN a.list | n + x)") == s.Reduce("n", s.Literal(0), "x", items, added)
    outline = s.PathPattern((s.NodePattern("a"), s.NodePattern("y")), (s.RelationshipPattern(s.Direction.OUT),))
    y = s.Variable("y")
    assert value("[(a)-->(y) WHERE y.z | y]") == s.PatternComprehension(outline, of("z", y), y)


def test_patterns_as_conditions() -> None:
    outline = s.PathPattern((s.NodePattern("a"), s.NodePattern()), (s.RelationshipPattern(s.Direction.OUT),))
    assert condition("NOT (a)-->()") == s.Not(s.PatternPredicate(outline))
    assert condition("exists((a)-->())") == s.PatternPredicate(outline)
    match = s.Match((outline,), of("x"))
    assert condition("EXISTS { (a)-->() WHERE a.x }") == s.Exists(s.Query((s.SingleQuery((match,)),)))
    assert condition("exists { match (a)-->() where a.x }") == s.Exists(s.Query((s.SingleQuery((match,)),)))
    whole = condition("EXISTS { MATCH (a)-->() WHERE a.x RETURN true }")
    assert isinstance(whole, s.Exists)
    assert len(whole.query.parts[0].clauses) == 2


def test_strings_comments_and_names() -> None:
    text = (
        '// a // b\nMATCH (match:File) /* in * between */ WHERE match.`odd ``key` = "a\'b" RETURN match, match.order;'
    )
    found = clauses(text)[0]
    assert isinstance(found, s.Match)
    left = of("odd `key", s.Variable("match"))
    assert found.where == s.Comparison(s.Operator.EQUAL, left, s.Literal("a'b"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("RETURN  nOdEs( p )", "nOdEs( p )"),
        ("RETURN a . id", "a . id"),
        ("RETURN 'x  y'/*!*/+ 'z'", "'x  y'/*!*/+ 'z'"),
        ("RETURN `a`", "a"),
        ("RETURN (a.x) , 1", "(a.x)"),
    ],
)
def test_a_column_without_a_name_is_called_as_it_is_written(text: str, name: str) -> None:
    returned = clauses(f"MATCH p = (a)-->() {text}")[-1]
    assert isinstance(returned, s.Return)
    assert returned.projection.items[0].name == name


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("CREATE", "create (a)"),
        ("SET", "MATCH (a)\nSET a.x = 1"),
        ("DETACH", "MATCH (a) DETACH DELETE a"),
        ("MERGE", "MATCH (a) MERGE (b) RETURN a"),
        ("CALL", "CALL db.labels() YIELD label RETURN label"),
        ("LOAD", "LOAD CSV FROM 'x' AS y RETURN y"),
        ("OFFSET", "MATCH (a) RETURN a OFFSET 1"),
        ("times", "RETURN date('2020-01-01')"),
        ("times", "RETURN duration.between(1, 2)"),
        ("points", "RETURN point({x: 1})"),
    ],
)
def test_what_is_outside_the_language_is_named(word: str, text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text, "p")
    assert caught.value.kind == "Unsupported"
    assert word in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MATCH (a)\n  RETRUN a", "p.cypher:12:3: not understood: 'RETRUN' (did you mean RETURN?)"),
        ("MATCH (a", "p.cypher:11:9: the query ends too early"),
        ("RETURN size(1", "p.cypher:11:14: the query ends too early (expected ) or ,)"),
        ("RETURN [1, 2 AS x", "p.cypher:11:14: not understood: 'AS' (expected , or ])"),
        ("MATCH (a) WHERE a.x = 'b RETURN a", "p.cypher:11:23: a string that does not end"),
        ("RETURN é, ü + 'ö' . 1", "p.cypher:11:21: not understood: '1' (expected a name)"),
        ("RETURN 12ab", "p.cypher:11:8: not a number: '12ab'"),
        ("", "p.cypher:11:1: the query ends too early"),
    ],
)
def test_errors_are_located_in_the_whole_file(text: str, message: str) -> None:
    assert refusal(text, lines=10).startswith(message)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("MATCH (a) WHERE a.x != 1 RETURN a", "<> is unequal"),
        ("MATCH (a) WHERE a.x && a.y RETURN a", "AND"),
        ("MATCH (a) WHERE a.x LIKE 'b%' RETURN a", "STARTS WITH"),
        ("SELECT a FROM b", "MATCH … RETURN"),
        ("MATCH (a) RETURN a ORDR BY a", "did you mean ORDER?"),
        ("MATCH (a) RETURN {a 1}", "expected :"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    assert hint in refusal(text)


def test_all_errors_of_a_query_are_reported() -> None:
    text = "MATCH (alpha)-[r]->(b)\nWHERE alhpa.x =~ '(' AND frob(b) AND r.x = '\\q' AND 1 AND 1e999\nRETURN b, b"
    with pytest.raises(PolicyErrors) as caught:
        parse_query(text, "p")
    assert [(e.line, e.column) for e in caught.value.errors] == [
        (2, 7),
        (2, 18),
        (2, 26),
        (2, 44),
        (2, 53),
        (2, 59),
        (2, 59),
        (3, 11),
    ]
    assert "did you mean alpha?" in str(caught.value)


@pytest.mark.parametrize(
    "deepest",
    [
        "(NOT " * (MAX_DEPTH - 1) + "a.x" + ")" * (MAX_DEPTH - 1),
        "[x IN " * 62 + "[1]" + " WHERE a.x | x]" * 62 + " IS NULL",
        "EXISTS { MATCH (a) WHERE " * 60 + "a.x" + "}" * 60,
        "CASE WHEN a.x THEN " * 120 + "a.x" + " END" * 120,
        "a" + ".x" * 120,
        "a" + "[0]" * 120,
        "NOT " * 120 + "a.x",
        "- " * 120 + "a.x IS NULL",
    ],
)
def test_the_deepest_queries_parse(deepest: str) -> None:
    assert len(clauses(f"MATCH (a) WHERE {deepest} RETURN a")) == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("(" * 100_000, "nested more than 64"),
        ("NOT " * 100_000 + "a.x", f"nested more than {MAX_TREE}"),
        ("- " * 100_000 + "a.x", f"nested more than {MAX_TREE}"),
        ("a" + ".x" * 60_000, f"nested more than {MAX_TREE}"),
        ("a" + "[0]" * 60_000, f"nested more than {MAX_TREE}"),
        ("CASE WHEN a THEN " * 40_000, "not understood"),
        ("a.x IN " + "[" * 100_000, "nested more than 64"),
        (" " * (MAX_TEXT + 1), "characters"),
        ("a.x = 1 OR " * 60_000, "words and signs"),
    ],
)
def test_depth_and_size_have_limits(text: str, part: str) -> None:
    assert part in refusal(f"MATCH (a) WHERE {text} RETURN a")


def test_the_tree_has_exactly_that_depth() -> None:
    parse_query("RETURN " + "NOT " * (MAX_TREE - 2) + "true")
    assert f"nested more than {MAX_TREE}" in refusal("RETURN " + "NOT " * (MAX_TREE - 1) + "true")


def test_a_large_query_takes_a_moment() -> None:
    names = ", ".join(f"'{number}'" for number in range(80_000))
    before = time.process_time()
    assert len(clauses(f"MATCH (a) WHERE a.path IN [{names}] RETURN a")) == 2
    assert time.process_time() - before < 5


def test_who_does_not_parse_does_not_load_the_parser() -> None:
    code = "import sys, policies.parse as p; assert 'lark' not in sys.modules; p.parse_query('RETURN 1')"
    subprocess.run([sys.executable, "-c", code], check=True)


WORDS = st.sampled_from(
    [
        *"()[]{}<>-:,.*|=;$`+/^%",
        *("->", "<-", "..", "<>", "=~", "//", "/*", "\\", "\n", "a", "b", "r", "'x'", '"*', "1", "2.5", "0x", "—", "é"),
        *("MATCH", "WHERE", "RETURN", "DISTINCT", "LIMIT", "AS", "ORDER BY", "File", "USED", "used", "all(", "type("),
        *("IN", "AND", "OR", "NOT", "IS", "NULL", "STARTS", "WITH", "UNWIND", "UNION", "CASE", "WHEN", "THEN", "END"),
        *("EXISTS {", "(a)-->(b)", "[x IN", "| x]", "count(*)", "reduce(", "shortestPath(", "$p", "OPTIONAL MATCH"),
    ]
)
QUERIES = [
    "MATCH p = (a:A|B {x: $p})-[r:R*1..3]->(b) WHERE any(x IN nodes(p) WHERE x.y =~ 'a.*') RETURN a.x AS x, count(*)",
    "UNWIND [1, 2.5e3, 'x', null] AS x WITH DISTINCT x ORDER BY x DESC SKIP 1 LIMIT 2 WHERE x <> 1 RETURN *",
    "MATCH (a) WHERE EXISTS { (a)-->(b) WHERE b:B } OR (a)<--() RETURN [(a)--(c) | c.z][0], CASE a.x WHEN 1 THEN 2 END",
    "RETURN reduce(n = 0, x IN [1] | n + x) AS x UNION ALL RETURN -0x7f ^ 2 % 3 AS x",
    'MATCH (a:Process {name:"*"}) used (b:File {path:"/usr/bin/*", operation:"write"}) RETURN a.id',
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A real query, some of its words lost, repeated or replaced."""
    words = draw(st.sampled_from(QUERIES)).split(" ")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        words[at : at + draw(st.integers(0, 2))] = draw(st.lists(WORDS | st.sampled_from(words), max_size=2))
        words = words or [""]
    return " ".join(words)


@given(st.text() | st.lists(WORDS, max_size=40).map(" ".join) | mutated())
@example("MATCH (a) WHERE a.x =~ '\ud800' RETURN a")
@example("MATCH (a) WHERE a.x = 1e999 RETURN a")
@example("RETURN '\\ud800'")
def test_any_text_is_a_query_or_a_located_error(text: str) -> None:
    """Whatever the text, `parse_query` gives a query, or raises an `InputError` that says where."""
    try:
        query = parse_query(text, "f")
    except InputError as error:
        for one in error.errors if isinstance(error, PolicyErrors) else [error]:
            assert str(one).startswith(f"f:{one.line}:{one.column}: ")
            lines = text.split("\n")
            assert 1 <= one.line <= len(lines)
            assert 1 <= one.column <= len(lines[one.line - 1]) + 1
    else:
        assert query.parts
