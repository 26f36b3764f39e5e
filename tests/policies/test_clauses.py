"""Clauses in their order: what each sees, what it keeps, and what it may call certain on a model."""

import pytest

from policies.evaluate import evaluate, run
from policies.graph import Edge, Meaning, MemoryGraph
from policies.limits import Limits
from policies.parse import parse_query
from policies.text import Text
from policies.truth import UNKNOWN
from policies.values import rendered

GRAPH = MemoryGraph(
    {"a": ("A", {"x": 1}), "b": ("B", {"x": 2}), "c": ("C", {}), "d": ("A", {"x": 1})},
    [Edge("a", "R", "w", "b"), Edge("b", "R", "w", "c"), Edge("a", "S", "w", "c"), Edge("d", "R", "w", "d")],
)
MODEL = MemoryGraph(
    {"p": ("P", {"name": "sh"}), "q": ("P", {"name": Text.of("w{int}")}), "f": ("F", {"path": "/x"})},
    [Edge("q", "T", "fork", "p"), Edge("q", "T", "fork", "q"), Edge("q", "U", "read", "f")],
)


def rows(text: str) -> list[tuple[str | None, ...]]:
    return [tuple(map(rendered, row.values)) for row in run(parse_query(text), GRAPH).rows]


def sure(text: str, meaning: Meaning = Meaning.INSTANCES) -> list[bool]:
    return [row.certain for row in run(parse_query(text), MODEL, meaning=meaning).rows]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MATCH p = shortestPath((a:A {x: 1})-[*]->(c:C)) RETURN length(p)", [("1",)]),
        ("MATCH p = shortestPath((a:A)-[r:R*]->(c:C)) RETURN length(p)", [("2",)]),
        ("MATCH p = allShortestPaths((a:A)-[*..1]-(c:C)) RETURN p", [("(a)-[S]->(c)",)]),
        ("MATCH p = shortestPath((a:A)-[*2..]->(c:C)) RETURN length(p)", [("2",)]),
        ("MATCH (d {x: 1}) WHERE (d)-->(d) MATCH p = shortestPath((d)-[*0..]-(d)) RETURN length(p)", [("0",)]),
        ("MATCH ()-[r:R]->() WITH collect(r)[..2] AS rs MATCH (x)-[rs*]->(y) RETURN x, y", [("a", "c")]),
        ("MATCH ()-[r:R]->() WITH [r, r] AS rs MATCH (x)-[rs*]-(y) RETURN x, y", []),
        ("MATCH (a:A) OPTIONAL MATCH (a)-[:R]->(b:B) WHERE b.x > 1 RETURN a, b", [("a", "b"), ("d", None)]),
        ("OPTIONAL MATCH (z:Z) OPTIONAL MATCH (z)-->(y) RETURN z, y", [(None, None)]),
        ("MATCH (a:A) WITH a.x AS x, count(*) AS n WHERE n > 1 RETURN x, n", [("1", "2")]),
        ("MATCH (n) RETURN n.x AS x, count(*) AS c ORDER BY c DESC, x LIMIT 1", [("1", "2")]),
        ("MATCH (n) WITH n ORDER BY n.x DESC, n SKIP 1 LIMIT 2 RETURN collect(n.x)", [("[2, 1]",)]),
        ("MATCH (n) RETURN DISTINCT n.x AS x ORDER BY x", [("1",), ("2",), (None,)]),
        ("MATCH (n:Z) RETURN count(*) AS c, collect(n) AS l", [("0", "[]")]),
        ("MATCH (b:B)-[:R*2]-(x) RETURN x", []),
        ("MATCH (b:B)-[:R*]-(x) RETURN DISTINCT x", [("c",), ("a",)]),
        ("MATCH (d)-[*2..]-(d) RETURN d.x AS x, count(*) AS n ORDER BY x", [("1", "2"), ("2", "2"), (None, "2")]),
        ("MATCH (d {x: 1})-[*]-(d) RETURN DISTINCT d", [("a",), ("d",)]),
        ("RETURN 1 AS x UNION RETURN 1 AS x", [("1",)]),
        (
            "MATCH (n) WHERE EXISTS { MATCH (n)-->(m) WITH m, count(*) AS c RETURN m } RETURN count(n)",
            [("3",)],
        ),
        ("UNWIND [1, 2, 3] AS i WITH i LIMIT 2 WHERE i > 1 RETURN i", [("2",)]),
        ("MATCH (n:A) RETURN [x IN [1, 2] | [(n)-->(m) WHERE m.x = x | m]] AS l", [("[[], [b]]",), ("[[d], []]",)]),
    ],
)
def test_clauses(text: str, wanted: list[tuple[str | None, ...]]) -> None:
    assert rows(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MATCH (f:F) RETURN f", [True]),
        ("MATCH (q)-[:U]->(f) RETURN q, f", [True]),
        ("MATCH (q)-[:U]->(f), (x)-[:T]->(y:P {name: 'sh'}) RETURN q", [True]),
        ("MATCH (x)-[:T]->(q)-[:U]->(f) RETURN q", [False]),
        ("MATCH (q)-[:U]->(f) MATCH (q)-[:T]->(x) RETURN q, x", [False, False]),
        ("MATCH (q)-[:U]->(f) WITH q MATCH (q)-[:U]->(f) RETURN q", [False]),
        ("MATCH (q)-[:T]->(q) RETURN q", [False]),
        ("MATCH (q {name: 'w1'}) RETURN q", [False]),
        ("MATCH (q {name: 'x'}) RETURN q", []),
        ("MATCH (f:F) WHERE (f)<--() RETURN f", [False]),
        ("MATCH (f:F) WHERE NOT (f)-->() RETURN f", [True]),
        ("MATCH (f:F) OPTIONAL MATCH (f)<-[:U]-(q) RETURN f, q", [False, False]),
        ("MATCH (f:F) RETURN count(f) AS n", [False]),
        ("MATCH (z:Z) RETURN count(z) AS n", [True]),
        ("MATCH (n:P) RETURN n LIMIT 1", [False, False]),
        ("MATCH (q)-[:T*1..3]->(p {name: 'sh'}) RETURN DISTINCT p", [True]),
        ("MATCH (q)-[:T*2..3]->(p {name: 'sh'}) RETURN DISTINCT p", [False]),
    ],
)
def test_what_is_certain_of_instances(text: str, wanted: list[bool]) -> None:
    assert sure(text) == wanted


def test_of_states_the_structure_is_certain_and_texts_are_not() -> None:
    assert sure("MATCH (x)-[:T]->(q)-[:U]->(f) RETURN q", Meaning.STATES) == [True]
    query = parse_query("MATCH (p:P) WHERE p.name = 'w1' RETURN count(*) AS n")
    assert run(query, MODEL, meaning=Meaning.STATES).rows[0].values == (UNKNOWN,)
    assert run(parse_query("MATCH (p:P) RETURN count(*) AS n"), MODEL, meaning=Meaning.STATES).rows[0].values == (2,)


def test_a_match_keeps_what_every_clause_has_bound_and_a_group_what_its_rows_have() -> None:
    (one,) = evaluate(parse_query("MATCH (a:A)-[:S]->(c) MATCH (b)-[:R]->(c) RETURN a.x"), GRAPH)
    assert (one.nodes, [edge.relation for edge in one.edges]) == (("a", "c", "b"), ["S", "R"])
    (one,) = evaluate(parse_query("MATCH (a:A)-[r]->(b) WITH a.x AS x, count(*) AS n RETURN n"), GRAPH)
    assert (set(one.nodes), len(one.edges)) == ({"a", "b", "c", "d"}, 3)
    many = MemoryGraph({f"n{i}": ("A", {}) for i in range(1000)})
    (one,) = evaluate(parse_query("MATCH (a:A) RETURN count(*) AS n"), many, limits=Limits())
    assert len(one.nodes) == 256
