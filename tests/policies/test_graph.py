"""A graph in memory answers both ways of an edge alike, and refuses what is not a graph."""

import networkx as nx
import pytest

from grammar.errors import InputError
from policies import Edge, MemoryGraph
from policies.graph import OwnEdge

NODES: list[object] = [{"id": "p", "kind": "Process", "properties": {"name": "sh"}}, {"id": "f", "kind": "File"}]
EDGE = {"source": "p", "target": "f", "relation": "USED", "operation": "read"}


def test_an_edge_is_seen_from_both_ends_and_equal_edges_are_one() -> None:
    graph = MemoryGraph.from_node_link({"nodes": NODES, "edges": [EDGE, EDGE]})
    edge = Edge("p", "USED", "read", "f")
    assert (list(graph.causes("p")), list(graph.effects("f"))) == ([edge], [edge])
    assert (list(graph.causes("f")), list(graph.effects("p"))) == ([], [])
    assert (edge.other("p"), edge.other("f")) == ("f", "p")
    assert (list(graph.nodes()), graph.labels("f"), graph.properties("p")["name"]) == (["p", "f"], ("File",), "sh")


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
        (
            {"nodes": [{"id": "x", "kind": "File", "properties": {"path": {"a": [1 << 64]}}}], "edges": []},
            "no property can have this value",
        ),
    ],
)
def test_what_is_not_a_graph_is_refused(data: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        MemoryGraph.from_node_link(data, "g.json")


def test_properties_are_any_json_value_and_null_is_none_at_all() -> None:
    node = {"id": "x", "kind": "File", "properties": {"size": 3, "tags": ["a", {"b": 1.5}], "gone": None}}
    graph = MemoryGraph.from_node_link({"nodes": [node], "edges": []})
    assert graph.properties("x") == {"size": 3, "tags": ("a", {"b": 1.5})}
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InputError, match="nested deeper"):
        MemoryGraph.from_node_link({"nodes": [{**node, "properties": {"deep": deep}}], "edges": []})


def test_a_networkx_graph_keeps_labels_types_attributes_and_parallel_edges() -> None:
    source = nx.MultiDiGraph()
    source.add_node(1, kind="Process", labels=["Old", "Process"], name="sh")
    source.add_edge(1, 2, type="USED", operation="read")
    source.add_edge(1, 2, relation="USED", weight=2)
    graph = MemoryGraph.from_networkx(source)
    assert (graph.labels("1"), graph.labels("2"), list(graph.having("Old"))) == (("Process", "Old"), (), ["1"])
    assert [edge.properties() for edge in graph.causes("1")] == [{"operation": "read"}, {"weight": 2}]
    assert {edge.relation for edge in graph.effects("2")} == {"USED"}
    plain = nx.DiGraph()
    plain.add_edge("a", "b", relation="USED", operation="read")
    assert list(MemoryGraph.from_networkx(plain).causes("a")) == [Edge("a", "USED", "read", "b")]
    plain.add_edge(1, "1", relation="USED")
    with pytest.raises(InputError, match="two nodes have one id"):
        MemoryGraph.from_networkx(plain)


def test_edges_with_and_without_keys_have_one_order() -> None:
    plain, later = Edge("a", "T", "", "b"), Edge("b", "T", "", "b")
    first, second = (OwnEdge("a", "T", "", "b", key) for key in "01")
    assert sorted([later, second, plain, first]) == [plain, first, second, later]
    assert plain < first <= second > first >= plain
    assert not first < plain
