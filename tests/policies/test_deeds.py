"""A policy asked about a change: the same from near and from everywhere, and nothing wrong with it stops the caller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import Edge, Limits, Meaning, MemoryGraph, parse_query
from policies.deeds import FAILED, LIMIT, deeds, near
from policies.reach import shape_of

QUERIES = [
    "MATCH (p:Process)-[:USED]->(f:File) RETURN DISTINCT p.name",
    "MATCH (s:File)-[:WAS_GENERATED_BY]->(p)-[:USED]->(f:File) WHERE NOT (p)-[:WAS_TRIGGERED_BY]->() RETURN s.name",
    "MATCH (p:Process)-[:USED]->(f:File) WITH p, count(f) AS n WHERE n >= 2 RETURN p.name, n",
    "MATCH (p:Process) RETURN p.name AS x UNION MATCH (f:File)-[*1..3]->(p) RETURN f.name AS x LIMIT 1",
]


@st.composite
def graphs(draw: st.DrawFn) -> MemoryGraph:
    kinds = draw(st.lists(st.sampled_from(["Process", "File"]), min_size=1, max_size=7))
    nodes = {str(n): (kind, {"name": draw(st.sampled_from("ab"))}) for n, kind in enumerate(kinds)}
    ends = st.sampled_from(sorted(nodes))
    relations = st.sampled_from(["USED", "WAS_GENERATED_BY", "WAS_TRIGGERED_BY"])
    edges = draw(st.lists(st.builds(Edge, ends, relations, st.just("read"), ends), max_size=12))
    return MemoryGraph(nodes, edges)


@given(graphs(), st.sampled_from(QUERIES), st.data())
def test_what_is_near_is_what_there_is_of_it_in_the_whole(graph: MemoryGraph, query: str, data: st.DataObject) -> None:
    shape = shape_of(PARSED[query])
    touched = frozenset(data.draw(st.sets(st.sampled_from(sorted(graph.nodes())))))

    def found(where: frozenset[str] | None) -> set[tuple[tuple[str, str], bool]]:
        matches = deeds(shape, graph, where, Meaning.INSTANCES, limits=Limits()).matches
        return {
            (shape.ends(one, lambda node: graph.labels(node)[0] + " " + node), one.certain)
            for one in matches
            if not touched.isdisjoint(one.nodes)
        }

    assert found(touched) == found(None)


PARSED = {text: parse_query(text) for text in QUERIES}


@pytest.mark.parametrize(
    ("query", "limits", "trouble"),
    [
        ("MATCH (p) WHERE substring(p.name, -1) = 'x' RETURN p", Limits(), FAILED),
        ("MATCH (p), (q), (r) RETURN p", Limits(steps=20), LIMIT),
        ("MATCH (p) RETURN p", Limits(), ""),
    ],
)
def test_trouble_is_part_of_the_answer(query: str, limits: Limits, trouble: str) -> None:
    graph = MemoryGraph({str(n): ("Process", {"name": "a"}) for n in range(9)})
    assert deeds(shape_of(parse_query(query)), graph, None, Meaning.CONCRETE, limits=limits).trouble == trouble


def test_where_most_is_new_all_is_asked() -> None:
    assert near(frozenset("ab"), 10) == frozenset("ab")
    assert near(frozenset("abcdefg"), 10) is None
