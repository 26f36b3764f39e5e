"""Components: those of networkx, causes before effects, however long the chain."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from grammar.components import strong_components

arcs = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20)


@given(arcs)
def test_components_are_those_of_networkx_in_causal_order(pairs: list[tuple[int, int]]) -> None:
    """The components of any graph, and what an edge leads to never comes after what it leaves."""
    targets = [[b for a, b in pairs if a == vertex] for vertex in range(8)]
    found = strong_components(targets)
    graph = networkx.DiGraph(pairs)
    graph.add_nodes_from(range(8))
    assert {frozenset(one) for one in found} == {
        frozenset(one) for one in networkx.strongly_connected_components(graph)
    }
    place = {vertex: position for position, one in enumerate(found) for vertex in one}
    assert all(place[b] <= place[a] for a, b in pairs)


def test_a_long_chain_and_a_long_ring_need_no_stack() -> None:
    many = 100_000
    chain = [[vertex + 1] for vertex in range(many - 1)] + [[]]
    assert strong_components(chain)[:2] == [(many - 1,), (many - 2,)]
    assert len(strong_components([[(vertex + 1) % many] for vertex in range(many)])) == 1
