"""What a change brought is found from the touched nodes outwards, and what it did not touch is not even looked at."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evaluate import compiled, evaluate
from policies.graph import Edge, Meaning, MemoryGraph
from policies.limits import Match
from policies.parse import parse_query
from policies.values import Value, key

QUERIES = [
    "MATCH (a:A) RETURN a",
    "MATCH (a:A)-[r:R]->(b) RETURN a, r, b",
    "MATCH (a:A)-[:R]->(b)-[:S]->(c) RETURN DISTINCT a.x, c",
    "MATCH (a)-[:R]->(b), (c:B) WHERE a.x = c.x RETURN a, b, c",
    "MATCH (a:A)-[:R*1..3]->(b:B) RETURN a, b",
    "MATCH (a:A)-[:R*]->(b:B) RETURN DISTINCT a, b",
    "MATCH p = (a:A)-[*0..2]-(b) RETURN p",
    "MATCH p = shortestPath((a:A)-[:R*]->(b:B)) RETURN a, b, length(p)",
    "MATCH (a:A) WHERE EXISTS { (a)-[:R]->(:B)-[:S]->(:A) } RETURN a",
    "MATCH (a:A) WHERE (a)-[:R]->(:B)-[:S]->(:A) OR a.x = 1 RETURN a",
    "MATCH (a:A) WHERE NOT (a)-[:R]->() RETURN a",
    "MATCH (a:A) WHERE NOT EXISTS { MATCH (a)-[:R*]->(b:B) } RETURN a",
    "MATCH (a:A) WHERE EXISTS { MATCH (b:B)-[:S]->(c) WHERE b.x = a.x } RETURN a",
    "MATCH (a:A) WHERE EXISTS { MATCH (a)-->(m) WITH a, count(*) AS n WHERE n > 1 RETURN n } RETURN a",
    "MATCH (a:A) OPTIONAL MATCH (a)-[:R]->(b)-[:S]->(c) RETURN a, b, c",
    "MATCH (a:A) MATCH (a)-[:R]->(b) MATCH (b)-[:S]->(c) RETURN a, b, c",
    "MATCH (a:A) MATCH (b:B)-[:S]->(c) RETURN a, b, c",
    "MATCH (a:A)-[:R]->(b) WITH a, count(DISTINCT b) AS n WHERE n > 1 RETURN a, n",
    "MATCH (a:A)-[:R]->(b) WITH a.x AS x, count(b) AS n WHERE n > 1 RETURN x, n",
    "MATCH (a:A)-[:R]->(b) WITH a.x + b.x AS x, count(*) AS n RETURN x, n",
    "MATCH (a:A)-[:R]->(b) WITH a, count(b) AS n RETURN count(a) AS c, max(n) AS m",
    "MATCH (a:A)-[:R]->(b) WITH a, b ORDER BY b.x LIMIT 2 RETURN a, b",
    "MATCH (a:A) WITH a AS z MATCH (z)-[:R]->(b) RETURN z, b",
    "MATCH (a:A) WITH a.x AS b MATCH (c:B {x: b}) RETURN b, c",
    "MATCH (a:A) RETURN a, size([(a)-[:R]->(b)-->(c) | c]) AS n",
    "MATCH (a:A)-[:R]->(b) RETURN a AS n UNION MATCH (b)-[:S]->(c) RETURN c AS n",
    "MATCH (a:A) UNWIND [1, 2] AS i MATCH (a)-[:R]->(b) WHERE b.x = i RETURN a, i",
    "MATCH (a)-[r]->(b) WITH b, collect(DISTINCT a.x) AS xs RETURN b, size(xs) AS n",
    "UNWIND [1, 2] AS i MATCH (a {x: i}) RETURN a",
]
NAMES = [f"n{i}" for i in range(6)]
Names = Mapping[str, tuple[str, Mapping[str, Value]]]


@st.composite
def growth(draw: st.DrawFn) -> tuple[MemoryGraph, MemoryGraph, frozenset[str]]:
    """A graph, the same with something added, and what that touched."""
    size = draw(st.integers(1, len(NAMES)))
    nodes: Names = {name: (draw(st.sampled_from(["A", "B"])), {"x": draw(st.integers(1, 2))}) for name in NAMES[:size]}
    old = draw(st.integers(0, size))
    end = st.sampled_from(NAMES[:size])
    edges = draw(
        st.lists(st.builds(Edge, end, st.sampled_from(["R", "S"]), st.just("w"), end), max_size=8, unique=True)
    )
    known = {name: nodes[name] for name in NAMES[:old]}
    kept = [edge for edge in edges[: draw(st.integers(0, 8))] if {edge.effect, edge.cause} <= known.keys()]
    new = [edge for edge in edges if edge not in kept]
    touched = {end for edge in new for end in (edge.effect, edge.cause)} | (nodes.keys() - known.keys())
    return MemoryGraph(known, kept), MemoryGraph(nodes, edges), frozenset(touched)


def shown(matches: Iterable[Match]) -> set[object]:
    return {tuple(key(value) for value in match.row.values()) for match in matches}


@pytest.mark.parametrize("meaning", [Meaning.CONCRETE, Meaning.INSTANCES])
@pytest.mark.parametrize("text", QUERIES)
@given(growth())
def test_every_row_that_a_change_brings_is_found_from_what_it_touched(
    text: str, meaning: Meaning, change: tuple[MemoryGraph, MemoryGraph, frozenset[str]]
) -> None:
    """New rows, and old ones that hold a touched node, are all found; and nothing that the whole answer has not."""
    before, after, touched = change
    query = parse_query(text)
    whole, found = evaluate(query, after, meaning=meaning), evaluate(query, after, touched, meaning=meaning)
    assert shown(found) <= shown(whole)
    assert shown(whole) - shown(evaluate(query, before, meaning=meaning)) <= shown(found)
    if "count" not in text and "LIMIT" not in text:
        assert shown(match for match in whole if not touched.isdisjoint(match.nodes)) <= shown(found)


def test_the_same_match_found_from_two_sides_is_one() -> None:
    graph = MemoryGraph({"a": ("A", {}), "b": ("B", {})}, [Edge("a", "R", "w", "b")])
    query = parse_query("MATCH (a:A)-[:R]->(b:B) RETURN 1 AS one")
    assert len(evaluate(query, graph, frozenset({"a", "b"}))) == 1


class Counted(MemoryGraph):
    """A graph that counts what it is asked."""

    asked = 0

    def nodes(self) -> Collection[str]:
        raise AssertionError("all nodes were listed")

    def causes(self, node: str) -> Sequence[Edge]:
        Counted.asked += 1
        return super().causes(node)

    def effects(self, node: str) -> Sequence[Edge]:
        Counted.asked += 1
        return super().effects(node)


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (a:A)-[:R]->(b:B)-[:S]->(c) RETURN a",
        "MATCH (a:A)-[:R*1..4]->(b) WHERE NOT (b)-[:S]->() RETURN DISTINCT a",
        "MATCH (a:A)-[:R]->(b) WITH a, count(b) AS n WHERE n > 3 RETURN a",
        "MATCH (a:A) WHERE EXISTS { (a)-[:R]->(:B)-[:S]->() } RETURN a",
    ],
)
def test_what_is_far_from_the_change_is_not_looked_at(text: str) -> None:
    """The same few questions, whether the graph is small or large."""
    query = parse_query(text)
    asked = []
    for size in (20, 2000):
        names: Names = {f"n{i}": ("A" if i % 2 else "B", {}) for i in range(size)}
        graph = Counted(names, [Edge(f"n{i}", "R", "w", f"n{i + 1}") for i in range(size - 1)])
        Counted.asked = 0
        evaluate(query, graph, frozenset({"n10"}))
        asked.append(Counted.asked)
    assert asked[0] == asked[1] < 60


def test_touched_nodes_that_are_gone_or_of_no_interest_cost_nothing() -> None:
    graph = Counted({"a": ("A", {}), "b": ("B", {})}, [Edge("a", "R", "w", "b")])
    Counted.asked = 0
    assert evaluate(parse_query("MATCH (a:C)-[:R]->(b:C) RETURN a"), graph, frozenset({"a", "gone"})) == []
    assert Counted.asked == 0


def test_groups_that_a_change_touches_are_counted_whole() -> None:
    programs: Names = {name: ("P", {"name": name[0]}) for name in ("x1", "x2", "y")}
    edges = [("x1", "f"), ("x2", "g"), ("x1", "g"), ("y", "f")]
    graph = MemoryGraph(
        {**programs, "f": ("F", {}), "g": ("F", {})}, [Edge(start, "R", "w", end) for start, end in edges]
    )
    query = parse_query("MATCH (p:P)-[:R]->(f:F) RETURN p.name AS name, count(*) AS n")
    assert [match.row for match in evaluate(query, graph, frozenset({"x1"}))] == [{"name": "x", "n": 3}]
    query = parse_query("MATCH (p:P)-[:R]->(f:F) RETURN p, count(*) AS n")
    assert [match.row["n"] for match in evaluate(query, graph, frozenset({"x2"}))] == [1]


def test_a_query_that_does_not_begin_with_match_is_asked_whole() -> None:
    assert compiled(parse_query("UNWIND [1] AS i MATCH (a) RETURN a"), True).changes == (None,)
