"""A set-up makes the graph that its text says, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tck_graph import TckGraph
from tck_ours import shown
from tck_values import key, read
from tck_writes import WriteError, execute, parts, statements

from policies.graph import OwnEdge
from policies.values import NodeValue


def made(*texts: str) -> TckGraph:
    graph = TckGraph()
    for text in texts:
        execute(graph, text)
    return graph


def holds(graph: TckGraph) -> tuple[list[str], list[str]]:
    """Nodes and relationships in the kit's notation, sorted."""
    nodes = [repr(key(shown(NodeValue(node), graph))) for node in graph.nodes()]
    edges = [repr(key(shown(edge, graph))) for edge in graph.edges()]
    return sorted(nodes), sorted(edges)


@pytest.mark.parametrize(
    ("text", "nodes", "edges"),
    [
        ("CREATE ()", ["()"], []),
        ("CREATE (:A:B {k: 1 + 1, l: null, m: [1, 'a']})", ["(:A:B {k: 2, m: [1, 'a']})"], []),
        ("CREATE (a:A)-[:T {k: 1}]->(b:B), (b)<-[:S]-(a)", ["(:A)", "(:B)"], ["[:T {k: 1}]", "[:S]"]),
        ("CREATE (a)-[:T]->(a)", ["()"], ["[:T]"]),
        ("CREATE (a {n: 1}), ({n: a.n + 1})", ["({n: 1})", "({n: 2})"], []),
        ("CREATE (a), (b) CREATE (a)-[:T]->(b), (a)-[:T]->(b)", ["()", "()"], ["[:T]", "[:T]"]),
        ("UNWIND range(1, 3) AS i CREATE ({n: i})", ["({n: 1})", "({n: 2})", "({n: 3})"], []),
        ("UNWIND [] AS i CREATE ({n: i})", [], []),
        ("CREATE (a:A {n: 1}) WITH a UNWIND [1, 2] AS i CREATE (a)-[:T {n: i}]->()", ["(:A {n: 1})", "()", "()"],
         ["[:T {n: 1}]", "[:T {n: 2}]"]),
        ("CREATE (:A), (:A) // two\n; MATCH (a:A) CREATE (a)-[:T]->(:B);", ["(:A)", "(:A)", "(:B)", "(:B)"],
         ["[:T]", "[:T]"]),
        ("CREATE (n:A) SET n.k = 1, n:B, n += {l: 2}", ["(:A:B {k: 1, l: 2})"], []),
        ("CREATE (n {k: 1}) SET n = {l: 2}", ["({l: 2})"], []),
        ("CREATE (n {k: 1})-[r:T]->() SET r.k = n.k, n.k = null", ["()", "()"], ["[:T {k: 1}]"]),
        ("MERGE (:A {n: 1}) MERGE (:A {n: 1})", ["(:A {n: 1})"], []),
        ("CREATE (:A) MERGE (b:B) MERGE (a:A) CREATE (a)-[:T]->(b) RETURN a", ["(:A)", "(:B)"], ["[:T]"]),
        ("CREATE (:`a b` {`c d`: ';'})", ["(:`a b` {`c d`: ';'})"], []),
        ("create (a {text: 'CREATE (b) // no'}) /* CREATE () */", ["({text: 'CREATE (b) // no'})"], []),
    ],
)  # fmt: skip
def test_what_a_set_up_makes(text: str, nodes: list[str], edges: list[str]) -> None:
    expected = (sorted(repr(key(read(node))) for node in nodes), sorted(repr(key(read(edge))) for edge in edges))
    assert holds(made(text)) == expected


def test_set_ups_follow_one_another() -> None:
    graph = made("CREATE (:A)", "MATCH (a:A) CREATE (a)-[:T]->(:B)")
    (edge,) = graph.edges()
    assert (graph.labels(edge.effect), graph.labels(edge.cause)) == (("A",), ("B",))


def test_parameters_are_given() -> None:
    graph = TckGraph()
    execute(graph, "UNWIND $xs AS x CREATE ({n: x})", {"xs": (1, 2)})
    assert [dict(graph.properties(node)) for node in graph.nodes()] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "text",
    [
        "DROP ALL",
        "CREATE (n) DELETE n",
        "CALL x()",
        "CREATE ()-[:T]-()",
        "CREATE ()-->()",
        "CREATE ()-[:T|S]->()",
        "CREATE ()-[:T*2]->()",
        "CREATE (n) SET x",
    ],
)
def test_what_cannot_be_done_is_said(text: str) -> None:
    with pytest.raises(WriteError):
        made(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MATCH (a) WHERE a.x STARTS WITH 'b' CREATE ()", [["MATCH", "CREATE"]]),
        ("OPTIONAL MATCH (a) CREATE (a)-[:MATCH]->(:WITH {set: 1})", [["OPTIONAL", "CREATE"]]),
        ("CREATE (a); ; MATCH (a) RETURN a", [["CREATE"], [], ["MATCH", "RETURN"]]),
    ],
)
def test_clauses_are_cut_where_they_begin(text: str, words: list[list[str]]) -> None:
    assert [[word for word, _ in one] for one in statements(text)] == words


def test_a_list_is_cut_at_its_own_commas() -> None:
    assert list(parts("a, [b, c], f(d, ','), {e: 1, f: 2}")) == ["a", " [b, c]", " f(d, ',')", " {e: 1, f: 2}"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_an_edge_is_at_both_its_ends_once(ends: list[tuple[int, int]]) -> None:
    graph = TckGraph()
    nodes = [graph.add_node(["N"]) for _ in range(5)]
    edges = [graph.add_edge(nodes[start], "T", nodes[end]) for start, end in ends]
    assert sorted(edge.key for node in nodes for edge in graph.causes(node) if isinstance(edge, OwnEdge)) == sorted(
        edge.key for edge in edges
    )
    assert all(edge in graph.causes(edge.effect) and edge in graph.effects(edge.cause) for edge in edges)
    assert sum(len(graph.effects(node)) for node in nodes) == len(ends)


def test_a_property_set_to_null_is_gone() -> None:
    graph = TckGraph()
    node = graph.add_node(properties={"a": 1, "b": None})
    graph.set_properties(node, {"a": None, "c": 2})
    assert dict(graph.properties(node)) == {"c": 2}
