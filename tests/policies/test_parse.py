"""The parser says what a query means or where it is wrong; there is no third outcome."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grammar.errors import InputError
from policies import MemoryGraph, PolicyErrors, evaluate, parse_query
from policies import syntax as s
from policies.parse import MAX_DEPTH, MAX_TEXT


def condition(text: str) -> s.Expression | None:
    return parse_query(f"MATCH (a)-[r]->(b) WHERE {text} RETURN a").where


def step(text: str) -> s.RelationshipPattern:
    return parse_query(f"MATCH (a){text}(b) RETURN a").paths[0].steps[0]


def refusal(text: str, **where: int) -> str:
    with pytest.raises(InputError) as caught:
        parse_query(text, "p.cypher", **where)
    return str(caught.value)


def test_a_path_of_cypher() -> None:
    query = parse_query("match (a:Process|File {name: 'x'})-[r:USED]->(b) return distinct a.id AS who, b limit 3")
    a = s.NodePattern("a", ("Process", "File"), (s.PropertyTest("name", s.Literal("x")),))
    r = s.RelationshipPattern(s.Direction.OUT, "r", ("USED",))
    items = (s.ReturnItem("who", s.Property("a", "id")), s.ReturnItem("b", s.Variable("b")))
    assert query == s.Query((s.PathPattern((a, s.NodePattern("b")), (r,)),), None, items, distinct=True, limit=3)


def test_directions_and_hops() -> None:
    assert [step(t).direction.value for t in ("-->", "<--", "--", "<-->", "<-[]-")] == ["->", "<-", "--", "--", "<-"]
    hops = [step(f"-[:USED{t}]-").hops for t in ("", "*", "*2", "*1..3", "*..3", "*2..", "*0..1")]
    assert hops == [None, *(s.Hops(*h) for h in ((1, 16), (2, 2), (1, 3), (1, 3), (2, 16), (0, 1)))]
    assert step("-[:USED|:WAS_GENERATED_BY]-").types == ("USED", "WAS_GENERATED_BY")


def test_the_published_form_speaks_of_edges_and_globs() -> None:
    query = parse_query('MATCH (a:Process {name:"*"}) used (b:File {path:"/usr/bin/*", operation:"write"}) RETURN a.id')
    path = query.paths[0]
    assert path.nodes[1].properties == (s.PropertyTest("path", s.Glob("/usr/bin/*")),)
    operation = (s.PropertyTest("operation", s.Literal("write")),)
    assert path.steps == (s.RelationshipPattern(s.Direction.BOTH, None, ("USED", "WAS_GENERATED_BY"), operation),)
    plain = parse_query("MATCH (a) USED (b) wasGeneratedBy (c {path: 'x'}) RETURN a").paths[0]
    assert [(e.direction, e.types) for e in plain.steps] == [
        (s.Direction.OUT, ("USED",)),
        (s.Direction.OUT, ("WAS_GENERATED_BY",)),
    ]


def test_a_star_in_cypher_is_a_star() -> None:
    assert parse_query("MATCH (a {path: '*'}) RETURN a").paths[0].nodes[0].properties[0].value == s.Literal("*")


def test_precedence_and_chains() -> None:
    a, b, c = (s.Comparison(s.Operator.EQUAL, s.Property("a", k), s.Literal(1)) for k in "xyz")
    assert condition("a.x = 1 OR a.y = 1 AND NOT a.z = 1") == s.Or((a, s.And((b, s.Not(c)))))
    low, high = s.Comparison(s.Operator.LESS, s.Literal(-1), s.Property("a", "x")), s.Literal(2.5)
    assert condition("-1 < a.x <= 2.5") == s.And((low, s.Comparison(s.Operator.AT_MOST, s.Property("a", "x"), high)))


def test_every_test_of_a_value() -> None:
    x = s.Property("a", "x")
    assert condition("a.x IN ['p', null]") == s.Comparison(
        s.Operator.IN, x, s.ListOf((s.Literal("p"), s.Literal(None)))
    )
    assert condition("a.x starts  with 'p'") == s.Comparison(s.Operator.STARTS_WITH, x, s.Literal("p"))
    assert condition("a.x Ends With 'p'") == s.Comparison(s.Operator.ENDS_WITH, x, s.Literal("p"))
    assert condition("a.x CONTAINS 'p'") == s.Comparison(s.Operator.CONTAINS, x, s.Literal("p"))
    assert condition("a.x =~ '.*'") == s.Matches(x, ".*")
    assert condition("a.x IS NOT NULL") == s.Not(s.IsNull(x))
    assert condition("type(r) <> 'USED'") == s.Comparison(
        s.Operator.UNEQUAL, s.Call("type", (s.Variable("r"),)), s.Literal("USED")
    )


def test_strings_comments_and_names() -> None:
    query = parse_query(
        '// a // b\nMATCH (match:File) /* in * between */ WHERE match.`odd key` = "a\'b\\n\\u00e9\\\\" RETURN match;'
    )
    assert query.where == s.Comparison(s.Operator.EQUAL, s.Property("match", "odd key"), s.Literal("a'b\né\\"))
    assert parse_query("MATCH (b), (a) RETURN *").items == tuple(s.ReturnItem(n, s.Variable(n)) for n in "ba")
    assert parse_query("MATCH (a) RETURN  a . id").items[0].name == "a . id"


@pytest.mark.parametrize(
    ("clause", "text"),
    [
        ("ORDER BY", "MATCH (a) RETURN a ORDER  BY a"),
        ("WITH", "MATCH (a)\nWITH a RETURN a"),
        ("OPTIONAL MATCH", "OPTIONAL MATCH (a) RETURN a"),
        ("MATCH", "MATCH (a) MATCH (b) RETURN a"),
        ("CREATE", "create (a)"),
        ("UNION", "MATCH (a) RETURN a UNION MATCH (b) RETURN b"),
        ("CASE", "MATCH (a) WHERE a.x = CASE 1 WHEN 1 THEN 2 END RETURN a"),
        ("EXISTS", "MATCH (a) WHERE EXISTS { (a)-->() } RETURN a"),
        ("SHORTESTPATH", "MATCH shortestPath((a)-[*]->(b)) RETURN a"),
        ("named paths", "MATCH p = (a) RETURN a"),
        ("parameters", "MATCH (a) WHERE a.x = $x RETURN a"),
    ],
)
def test_what_is_outside_the_subset_is_named(clause: str, text: str) -> None:
    message = refusal(text)
    assert message.startswith("p.cypher:")
    assert clause in message
    assert "not supported" in message


def test_errors_are_located_in_the_whole_file() -> None:
    assert refusal("MATCH (a)\n  RETRUN a", lines=10).startswith("p.cypher:12:3: not understood: 'RETRUN'")
    assert refusal("MATCH (a").startswith("p.cypher:1:9: the query ends too early")
    assert "1:23: a string that does not end" in refusal("MATCH (a) WHERE a.x = 'b RETURN a")


def test_all_errors_of_a_query_are_reported() -> None:
    text = "MATCH (alpha)-[r*2..99]->(b)\nWHERE alhpa.x =~ '(' AND frob(b) AND r.operation = '\\q'\nRETURN b, b"
    with pytest.raises(PolicyErrors) as caught:
        parse_query(text, "p")
    assert [(e.line, e.column) for e in caught.value.errors] == [
        (1, 21),
        (2, 7),
        (2, 15),
        (2, 26),
        (2, 38),
        (2, 52),
        (3, 8),
        (3, 11),
    ]
    assert "did you mean alpha?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("MATCH (a)-[a]->(b) RETURN a", "already a node"),
        ("MATCH (a)-[r]->(b)-[r]->(c) RETURN a", "bound twice"),
        ("MATCH (a) WHERE type(a) = 'x' RETURN a", "type takes a relationship"),
        ("MATCH (a) WHERE a.x =~ a.y RETURN a", "must be a string"),
        ("MATCH (a) WHERE all(a IN [1] WHERE a = 1) RETURN a", "already bound"),
        ("MATCH (a) WHERE any(x IN x WHERE x = 1) RETURN a", "does not bind"),
        ("MATCH (a) WHERE a.x = 99999999999999999999 RETURN a", "64 bits"),
        ("MATCH () RETURN *", "without a variable"),
        ("MATCH (a)-[*3..2]->(b) RETURN a", "above its most"),
        ("MATCH (a) WHERE " + " OR ".join(["a.x =~ 'b'"] * 201) + " RETURN a", "more than 200 regular expressions"),
        ("MATCH " + "(a)--" * 64 + "(a) RETURN a", "more than 64 nodes"),
        (f"MATCH (a) WHERE a.x =~ '{'(a{1,1000}){1,1000}'}' RETURN a", "not a regular expression"),
    ],
)
def test_what_has_no_meaning_is_refused(text: str, part: str) -> None:
    assert part in refusal(text)


def test_depth_and_size_have_limits_and_the_deepest_query_runs() -> None:
    half = MAX_DEPTH // 2 - 1
    deepest = "(NOT " * half + "a.x = 1 OR a.y = 2" + ")" * half
    query = parse_query(f"MATCH (a) WHERE {deepest} RETURN a")
    assert evaluate(query, MemoryGraph({"n": ("File", {})})) == []
    assert "nested more than" in refusal(f"MATCH (a) WHERE {'(' * 100_000}")
    assert "nested more than" in refusal(f"MATCH (a) WHERE {'NOT ' * 100_000} a.x RETURN a")
    assert "nested more than" in refusal(f"MATCH (a) WHERE a.x IN {'[' * 100_000}")
    assert "characters" in refusal(" " * (MAX_TEXT + 1))
    assert "words and signs" in refusal("MATCH (a) WHERE " + "a.x = 1 OR " * 30_000)


WORDS = st.sampled_from(
    [
        *"()[]{}<>-:,.*|=;$`",
        *("->", "<-", "..", "<>", "=~", "//", "/*", "\\", "\n", "a", "b", "r", "'x'", '"*', "1", "2.5"),
        *("MATCH", "WHERE", "RETURN", "DISTINCT", "LIMIT", "AS", "ORDER", "File", "USED", "used", "all(", "type("),
        *("IN", "AND", "OR", "NOT", "IS", "NULL", "STARTS", "WITH"),
    ]
)


@given(
    st.text() | st.lists(WORDS, max_size=40).map(" ".join) | st.text().map("MATCH (a) WHERE a.x = '{}' RETURN a".format)
)
@example("MATCH (a) WHERE a.x =~ '\ud800' RETURN a")
@example("MATCH (a) WHERE a.x = 1e999 RETURN a")
def test_any_text_is_a_query_or_an_input_error(text: str) -> None:
    """Whatever the text, `parse_query` gives a query that can be evaluated, or raises an `InputError`."""
    try:
        query = parse_query(text, "f")
    except InputError as error:
        assert str(error).startswith("f:")
    else:
        evaluate(query, MemoryGraph({"n": ("File", {"x": "y"})}))
