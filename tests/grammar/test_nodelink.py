"""What networkx writes is read; what it would silently repair is refused, with the file, the place and the text."""

import json

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import InputError
from grammar.nodelink import (
    Edge,
    LabelledGraph,
    Limits,
    from_json,
    from_value,
    operated,
    operation_of,
    to_json,
    to_value,
)

NODES = [{"id": "p", "label": "a"}, {"id": 1, "label": "b"}]


def document(**parts: object) -> dict[str, object]:
    return {"directed": True, "multigraph": True, "graph": {}, "nodes": NODES, "edges": []} | parts


def refused(value: object) -> str:
    with pytest.raises(InputError) as caught:
        from_json(json.dumps(value), "g.json")
    assert str(caught.value).startswith("g.json: ")
    return str(caught.value)


@pytest.mark.parametrize("name", ["edges", "links"])
def test_edges_are_read_under_either_name(name: str) -> None:
    value = document()
    del value["edges"]
    graph = from_value(value | {name: [{"source": "p", "target": 1, "label": "read"}]}, "g.json")
    assert graph == LabelledGraph(("p", 1), ("a", "b"), (Edge("p", 1, "read"),))


def test_an_edge_without_a_label_has_the_empty_label() -> None:
    edges = [{"source": "p", "target": 1}, {"source": "p", "target": 1, "label": None}]
    assert [edge.label for edge in from_value(document(edges=edges), "g.json").edges] == ["", ""]


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        ({"relation": "USED", "operation": "read"}, "USED/read"),
        ({"relation": "USED"}, "USED"),
        ({"relation": "USED", "operation": None}, "USED"),
        ({"operation": "read"}, "/read"),
        ({"relation": "USED", "operation": "read", "label": None}, "USED/read"),
        ({"relation": "USED", "operation": "read", "label": "mine"}, "mine"),
        ({"relation": "USED", "operation": "read", "label": ""}, ""),
    ],
)
def test_an_edge_of_a_dump_is_labelled_by_relation_and_operation(parts: dict[str, object], label: str) -> None:
    graph = from_value(document(edges=[{"source": "p", "target": 1} | parts]), "g.json")
    assert [edge.label for edge in graph.edges] == [label]


@given(st.text(alphabet="ab/", max_size=5), st.text(alphabet="ab/", max_size=5))
def test_different_edge_labels_are_different_operations(one: str, other: str) -> None:
    """Taking a label apart loses nothing, and puts together what a dump wrote."""
    assert (operation_of(one) == operation_of(other)) == (one == other)
    if "/" not in one:
        assert operation_of(operated(one, other)) == (one, other)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1], "g.json: the document is not an object: '[1]'"),
        ({"a": 1}, "the document has no 'nodes': '[\"a\"]'"),
        ({"nodes": []}, "no 'edges' or 'links'"),
        (document(links=[]), "more than one of 'edges' or 'links'"),
        (document(directed=False), "the graph is not directed: 'false'"),
        (document(nodes={"p": 1}), "'nodes' is not a list"),
        (document(nodes=["p"]), "nodes[0] is not an object: '\"p\"'"),
        (document(nodes=[*NODES, {"label": "c"}]), "nodes[2].id is missing"),
        (document(nodes=[{"id": True, "label": "c"}]), "nodes[0].id is not a string or an integer: 'true'"),
        (document(nodes=[{"id": [0, 1], "label": "c"}]), "nodes[0].id is not a string or an integer: '[0, 1]'"),
        (document(nodes=[{"id": "\x1b[2J"}]), 'nodes[0] has no label: \'{"id": "\\u001b[2J"}\''),
        (document(nodes=[{"id": "p", "label": 3}]), "nodes[0].label is not a string: '3'"),
        (document(nodes=[*NODES, NODES[0]]), "the same node id twice: '\"p\"'"),
        (document(edges=[{"source": "p", "target": "x"}]), "edges[0].target is not a node: '\"x\"'"),
        (document(edges=[{"source": "p", "target": "1"}]), "edges[0].target is not a node: '\"1\"'"),
        (document(edges=[{"target": 1}]), "edges[0].source is missing"),
        (document(edges=[{"source": "p", "target": 1, "label": 2}]), "edges[0].label is not a string: '2'"),
        (document(edges=[{"source": "p", "target": 1, "relation": 1}]), "edges[0].relation is not a string: '1'"),
        (document(edges=[{"source": "p", "target": 1, "operation": []}]), "edges[0].operation is not a string: '[]'"),
        (document(edges=[{"source": "p", "target": 1, "key": 0}] * 2), "edges[1] is the same edge again"),
        (document(edges=[{"source": "p", "target": 1}] * 2, multigraph=False), "multigraph: false"),
    ],
)
def test_a_document_that_is_no_graph_is_refused_with_its_place(value: object, says: str) -> None:
    assert says in refused(value)


def test_text_that_is_not_json_is_refused_with_line_and_column() -> None:
    with pytest.raises(InputError) as caught:
        from_json(b'{"nodes": [],\n "edges": [}\n', "g.json")
    assert (caught.value.line, caught.value.column, caught.value.offending) == (2, 12, "}")
    assert str(caught.value).startswith("g.json:2:12: not JSON: ")


def test_bytes_that_are_not_utf_8_are_refused_with_line_and_column() -> None:
    with pytest.raises(InputError) as caught:
        from_json(b'{\n"\xff"', "g.json")
    assert str(caught.value) == "g.json:2:2: not UTF-8: '\\xff\"'"


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, ""])
def test_json_that_breaks_a_parser_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        from_json(text, "g.json")


@pytest.mark.parametrize("limits", [Limits(size=10), Limits(nodes=1), Limits(edges=0)])
def test_a_graph_above_a_limit_is_refused(limits: Limits) -> None:
    data = json.dumps(document(edges=[{"source": "p", "target": 1}]))
    with pytest.raises(InputError, match="more than the limit"):
        from_json(data, "g.json", limits)


names = st.one_of(st.text(max_size=3), st.integers())


@st.composite
def graphs(draw: st.DrawFn) -> LabelledGraph:
    nodes = draw(st.lists(names, unique=True, max_size=6))
    labels = draw(st.lists(st.text(max_size=3), min_size=len(nodes), max_size=len(nodes)))
    edge = st.builds(Edge, st.sampled_from(nodes), st.sampled_from(nodes), st.text(max_size=2)) if nodes else None
    return LabelledGraph(
        tuple(nodes), tuple(labels), tuple(draw(st.lists(edge, max_size=8))) if edge is not None else ()
    )


@given(graphs())
def test_a_graph_survives_writing_and_reading(graph: LabelledGraph) -> None:
    """Any graph, whatever its text holds, is equal after it has been written and read."""
    assert from_json(to_json(graph), "g.json") == graph


@given(graphs())
def test_networkx_and_we_read_each_other(graph: LabelledGraph) -> None:
    """networkx finds the same nodes and edges in what we write, and what it writes we read back."""
    other = networkx.node_link_graph(to_value(graph), edges="edges")
    assert list(other.nodes(data="label")) == list(zip(graph.nodes, graph.labels, strict=True))
    back = from_value(networkx.node_link_data(other, edges="links"), "g.json")
    assert sorted(map(repr, back.edges)) == sorted(map(repr, graph.edges))


@given(
    st.recursive(st.none() | st.booleans() | names, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_no_json_value_ends_in_anything_but_a_graph_or_an_input_error(value: object) -> None:
    """Whatever stands for nodes and edges, the reader answers or refuses."""
    for candidate in (
        value,
        document(nodes=value),
        document(edges=value),
        document(edges=[value]),
        document(nodes=[value]),
    ):
        try:
            from_value(candidate, "g.json")
        except InputError as error:
            assert str(error).isprintable()
