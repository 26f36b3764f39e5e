"""The search reaches the published optimum, never goes up, never loses a graph, and depends on shape alone."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from random import Random
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.nodelink import Edge, LabelledGraph, from_value
from grammar.published import base_model
from grammar.published_search import Folding, Step, climb, learn

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "induction.json"
NAMES = ["a-star", "concrete-abcd", "ab-star", "repeated-diamonds"]


class Vector(TypedDict):
    name: str
    learn: object
    bits: dict[str, float]
    accept: list[object]
    reject: list[object]


def vector(name: str) -> Vector:
    if not VECTORS.exists():
        pytest.skip(f"the published vectors are not beside the checkout: {VECTORS}")
    cases: list[Vector] = json.loads(VECTORS.read_bytes())
    return next(case for case in cases if case["name"] == name)


def chain(labels: str) -> LabelledGraph:
    nodes = tuple(range(len(labels)))
    return LabelledGraph(nodes, tuple(labels), tuple(Edge(n, n + 1) for n in nodes[:-1]))


@st.composite
def dags(draw: st.DrawFn) -> LabelledGraph:
    labels = draw(st.text("ab", max_size=6))
    forward = [(s, t, label) for s, t in combinations(range(len(labels)), 2) for label in ("", "r")]
    arcs = draw(st.lists(st.sampled_from(forward), max_size=9)) if forward else []
    return LabelledGraph(tuple(range(len(labels))), tuple(labels), tuple(Edge(*arc) for arc in arcs))


many_dags = st.lists(dags(), max_size=3)


def snapshot(folding: Folding) -> object:
    """Everything a folding knows, without entries that say nothing."""
    sides = [(side.rules, some(side.into), some(side.using), some(side.weight), side.tally) for side in folding.sides]
    return deepcopy((sides, folding.alias, [some(table) for table in folding.partners], folding.types, folding.undo))


def some(table: Mapping[int, object]) -> dict[int, object]:
    return {key: value for key, value in table.items() if value}


@pytest.mark.parametrize("name", NAMES)
def test_the_search_reaches_the_published_optimum(name: str) -> None:
    case = vector(name)
    graph = from_value(case["learn"], name)
    found = learn([graph])
    assert found.complete
    assert found.bits == pytest.approx(case["bits"]["best"], abs=5e-4)
    assert found.model.total_bits([graph]) == pytest.approx(found.bits, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_learned_model_accepts_and_rejects_what_was_published(name: str) -> None:
    case = vector(name)
    model = learn([from_value(case["learn"], name)]).model
    assert [from_value(graph, name) in model for graph in case["accept"]] == [True] * len(case["accept"])
    assert [from_value(graph, name) in model for graph in case["reject"]] == [False] * len(case["reject"])


def test_several_graphs_are_learned_as_their_disjoint_union() -> None:
    one = LabelledGraph((0, 1, 2, 3, 4), tuple("aaaaa"), (Edge(0, 1), Edge(2, 3), Edge(3, 4)))
    assert learn([chain("aa"), chain("aaa")]) == learn([one])


def test_a_limit_ends_the_search_and_says_so() -> None:
    graph = chain("a" * 12)
    found = learn([graph], limit=5)
    assert (found.evaluations, found.complete) == (5, False)
    assert graph in found.model
    assert learn([graph]).bits < found.bits < base_model([graph]).total_bits([graph])


def test_a_limit_of_nothing_is_the_base_model() -> None:
    found = learn([chain("aaa")], limit=0)
    assert (found.model, found.evaluations, found.complete) == (base_model([chain("aaa")]), 0, False)


def test_a_limit_that_is_just_enough_is_complete() -> None:
    needed = learn([chain("aaaaaa")]).evaluations
    assert learn([chain("aaaaaa")], limit=needed).complete
    assert not learn([chain("aaaaaa")], limit=needed - 1).complete


def test_a_graph_that_is_no_member_cannot_be_searched_with() -> None:
    with pytest.raises(ValueError, match="not a member"):
        climb(base_model([chain("ab")]), [chain("ba")])


def test_a_search_can_go_on_from_a_model() -> None:
    graph = chain("ab" * 5)
    cut = learn([graph], limit=30)
    assert climb(cut.model, [graph]).bits <= cut.bits


@given(many_dags)
def test_bits_never_go_up_and_no_graph_is_lost(graphs: list[LabelledGraph]) -> None:
    """Every step pays less than the one before, its bits are the reference's, and its model accepts every graph."""
    steps: list[Step] = []
    found = learn(graphs, observer=steps.append)
    bits = base_model(graphs).total_bits(graphs)
    for step in steps:
        assert step.bits_before == pytest.approx(bits, abs=1e-6)
        assert step.bits < step.bits_before
        assert step.model.total_bits(graphs) == pytest.approx(step.bits, abs=1e-6)
        assert all(graph in step.model for graph in graphs)
        bits = step.bits
    assert found.bits == pytest.approx(bits, abs=1e-6)
    assert all(graph in found.model for graph in graphs)
    assert found.model == (steps[-1].model if steps else base_model(graphs))


@given(many_dags, st.booleans())
def test_a_trial_is_the_reference_merge_and_leaves_no_trace(graphs: list[LabelledGraph], counted: bool) -> None:
    """For every pair that can merge, the bits are those of the merged reference model, and nothing has changed."""
    model = base_model(graphs, counted=counted)
    folding = Folding.of(model, graphs)
    before = snapshot(folding)
    for pair in folding.pairs():
        assert folding.trial(*pair) == pytest.approx(model.merged(*pair).total_bits(graphs), abs=1e-6)
        assert snapshot(folding) == before


@given(many_dags, st.booleans(), st.data())
def test_any_row_of_merges_gives_the_reference_model(
    graphs: list[LabelledGraph], counted: bool, data: st.DataObject
) -> None:
    """Merging in place, in any order, ends in the model, the tallies and the bits that plain merging ends in."""
    folding = Folding.of(base_model(graphs, counted=counted), graphs)
    while pairs := list(folding.pairs()):
        expected = folding.model()
        numbers = dict(zip(current_types(folding), sorted(expected.types), strict=True))
        one, other = data.draw(st.sampled_from(pairs))
        expected = expected.merged(numbers[one], numbers[other])
        folding.merge(one, other)
        assert folding.model() == expected
        vertices = expected.vertex_types(graphs)
        assert vertices is not None
        assert folding.sides[0].tally == expected.forward.tally(f for f, _ in vertices)
        assert folding.sides[1].tally == expected.backward.tally(b for _, b in vertices)
        assert folding.types == len(expected.types)


@given(many_dags, st.booleans())
def test_the_end_is_a_local_optimum(graphs: list[LabelledGraph], counted: bool) -> None:
    """No merge of two types of the learned model saves a bit."""
    found = learn(graphs, counted=counted)
    pairs = [pair for pair in combinations(sorted(found.model.types), 2) if found.model.compatible(*pair)]
    assert all(found.model.merged(*pair).total_bits(graphs) >= found.bits - 1e-5 for pair in pairs)


@given(many_dags, st.randoms())
def test_the_result_depends_on_shape_alone(graphs: list[LabelledGraph], random: Random) -> None:
    """Other ids, and another order of nodes, edges and graphs, give the same model after the same evaluations."""
    others = [renamed(graph, random) for graph in graphs]
    random.shuffle(others)
    assert learn(others) == learn(graphs)


@given(many_dags)
def test_a_learned_state_has_one_label(graphs: list[LabelledGraph]) -> None:
    """Acceptance implies a label-preserving homomorphism: every rule into a state carries the state's label."""
    model = learn(graphs).model
    for automaton in (model.forward, model.backward):
        assert all(automaton.labels[state] == left.label for left, state in automaton.rules)


def current_types(folding: Folding) -> Sequence[tuple[int, int]]:
    return sorted((f, b) for f, partners in folding.partners[0].items() for b in partners)


def renamed(graph: LabelledGraph, random: Random) -> LabelledGraph:
    order = list(range(len(graph)))
    random.shuffle(order)
    names = {graph.nodes[old]: f"n{new}" for new, old in enumerate(order)}
    edges = [Edge(names[edge.source], names[edge.target], edge.label) for edge in graph.edges]
    random.shuffle(edges)
    return LabelledGraph(
        tuple(names[graph.nodes[old]] for old in order), tuple(graph.labels[old] for old in order), tuple(edges)
    )


def test_a_long_chain_collapses_without_trying_every_pair() -> None:
    """150 vertices of two labels: the loop that a chain of 30 comes to, in trials that grow with its length."""
    found = [
        learn([LabelledGraph(tuple(range(n)), ("a", "b") * (n // 2), tuple(Edge(i, i + 1) for i in range(n - 1)))])
        for n in (30, 150)
    ]
    assert [len(one.model.types) for one in found] == [2, 2]
    assert found[0].model == found[1].model
    assert found[1].evaluations < 150 * 8 * 2
