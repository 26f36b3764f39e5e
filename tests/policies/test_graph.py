"""A graph in memory answers both ways of an edge alike, and refuses what is not a graph."""

import pytest

from grammar.errors import InputError
from policies import Edge, MemoryGraph

NODES: list[object] = [{"id": "p", "kind": "Process", "properties": {"name": "sh"}}, {"id": "f", "kind": "File"}]
EDGE = {"source": "p", "target": "f", "relation": "USED", "operation": "read"}


def test_an_edge_is_seen_from_both_ends_and_equal_edges_are_one() -> None:
    graph = MemoryGraph.from_node_link({"nodes": NODES, "edges": [EDGE, EDGE]})
    edge = Edge("p", "USED", "read", "f")
    assert (list(graph.causes("p")), list(graph.effects("f"))) == ([edge], [edge])
    assert (list(graph.causes("f")), list(graph.effects("p"))) == ([], [])
    assert (edge.other("p"), edge.other("f")) == ("f", "p")
    assert (list(graph.nodes()), graph.kind("f"), graph.properties("p")["name"]) == (["p", "f"], "File", "sh")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "must be an object"),
        ({"nodes": NODES}, "a list of 'edges'"),
        ({"nodes": [3], "edges": []}, "must be an object"),
        ({"nodes": [{"id": 3, "kind": "File"}], "edges": []}, "'id' must be a string"),
        ({"nodes": [{"id": "x", "kind": "Fiel"}], "edges": []}, "unknown kind"),
        ({"nodes": [*NODES, NODES[0]], "edges": []}, "two nodes have one id"),
        ({"nodes": NODES, "edges": [{**EDGE, "target": "g"}]}, "not in the graph"),
        ({"nodes": NODES, "edges": [{**EDGE, "relation": "USES"}]}, "unknown relation"),
        ({"nodes": [{"id": "x", "kind": "File", "properties": {"path": 3}}], "edges": []}, "'path' must be a string"),
    ],
)
def test_what_is_not_a_graph_is_refused(data: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        MemoryGraph.from_node_link(data, "g.json")
