"""The published model: its bits on the published vectors, its merges, its members, and its stored form."""

import json
import math
from itertools import combinations
from pathlib import Path
from random import Random
from typing import TypedDict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grammar.errors import InputError
from grammar.nodelink import Edge, LabelledGraph, from_value
from grammar.published import Misfit, PublishedModel, Source, base_model
from grammar.published import from_value as model_from_value

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


def chain(labels: str, first: int = 0) -> LabelledGraph:
    nodes = tuple(range(first, first + len(labels)))
    return LabelledGraph(nodes, tuple(labels), tuple(Edge(n, n + 1) for n in nodes[:-1]))


@st.composite
def dags(draw: st.DrawFn) -> LabelledGraph:
    labels = draw(st.text("ab", max_size=6))
    forward = [(s, t, label) for s, t in combinations(range(len(labels)), 2) for label in ("", "r")]
    arcs = draw(st.lists(st.sampled_from(forward), max_size=9)) if forward else []
    return LabelledGraph(tuple(range(len(labels))), tuple(labels), tuple(Edge(*arc) for arc in arcs))


@pytest.mark.parametrize("name", NAMES)
def test_the_base_model_has_the_published_bits(name: str) -> None:
    case = vector(name)
    graph = from_value(case["learn"], name)
    assert base_model([graph]).total_bits([graph]) == pytest.approx(case["bits"]["base"], abs=5e-4)


def test_the_bits_of_the_model_are_those_that_the_formula_gives_by_hand() -> None:
    model = base_model([chain("ab")])
    # T: log|I| + log|L| + (1 + 1) + (1 + 1 + 1), T' the same, |P| = 2 types of 1 + 1 bits, less log|L|
    assert model.bits() == 7 + 7 + 4 - 1


def test_an_edge_label_costs_nothing_until_there_are_two() -> None:
    def fork(*labels: str) -> LabelledGraph:
        return LabelledGraph((0, 1, 2), ("a", "b", "c"), (Edge(0, 1, labels[0]), Edge(0, 2, labels[1])))

    assert (
        base_model([fork("", "")]).bits() == base_model([fork("r", "r")]).bits() < base_model([fork("r", "w")]).bits()
    )


def test_parallel_edges_are_counted() -> None:
    twice = LabelledGraph((0, 1), ("a", "b"), (Edge(0, 1), Edge(0, 1)))
    model = base_model([twice])
    assert model.forward.rules[1].left.sources == (Source("", 0, 2),)
    assert chain("ab") not in model


@pytest.mark.parametrize("wanted", [Edge(0, 1, "read"), Edge(0, 1, "")])
def test_an_edge_with_another_label_is_not_a_member(wanted: Edge) -> None:
    model = base_model([LabelledGraph((0, 1), ("a", "b"), (Edge(0, 1, "write"),))])
    assert LabelledGraph((0, 1), ("a", "b"), (wanted,)) not in model


def test_misfits_name_the_vertices_and_not_what_follows_from_them() -> None:
    model = base_model([chain("abcd")])
    assert model.misfits(chain("xbcd")) == (Misfit(0, "x", "predecessors"), Misfit(0, "x", "successors"))
    assert model.misfits(chain("abc")) == (Misfit(2, "c", "successors"),)


def test_two_known_halves_that_never_met_are_a_misfit_of_the_type() -> None:
    model = base_model([chain("aa")])
    assert model.misfits(chain("a")) == (Misfit(0, "a", "type"),)


def test_the_empty_graph_is_a_member_of_every_model() -> None:
    empty = chain("")
    assert empty in base_model([chain("ab")])
    assert empty in base_model([])
    assert base_model([]).total_bits([empty]) == 0


def test_a_non_member_costs_infinitely_many_bits() -> None:
    assert base_model([chain("ab")]).total_bits([chain("ba")]) == math.inf


def test_types_of_different_labels_do_not_merge() -> None:
    model = base_model([chain("ab")])
    with pytest.raises(ValueError, match="different labels"):
        model.merged(*sorted(model.types))


def test_a_merge_is_made_deterministic() -> None:
    merged = base_model([chain("aaaa")]).merged((0, 3), (1, 2))
    assert (len(merged.forward.labels), len(merged.backward.labels), len(merged.types)) == (1, 3, 3)
    assert chain("aaaaaaa") in merged


def test_a_cycle_is_refused_by_file_and_shown() -> None:
    loop = LabelledGraph((5, 6, 7), ("a",) * 3, (Edge(5, 6), Edge(6, 7), Edge(7, 6)), "loop.json")
    with pytest.raises(InputError, match="needs a DAG") as caught:
        base_model([chain("abc"), loop, chain("ab")])
    assert caught.value.file == "loop.json"
    assert caught.value.offending in ("6 -> 7 -> 6", "7 -> 6 -> 7")
    with pytest.raises(InputError, match="needs a DAG"):
        assert loop not in base_model([chain("a")])


def test_where_nothing_is_counted_multiplicities_are_one_and_cost_nothing() -> None:
    twice = LabelledGraph((0, 1), ("a", "b"), (Edge(0, 1), Edge(0, 1)))
    model = base_model([twice], counted=False)
    assert model.forward.rules[1].left.sources == (Source("", 0, 1),)
    assert model == base_model([chain("ab")], counted=False)
    assert chain("ab") in model
    assert model.bits() == base_model([chain("ab")]).bits() < base_model([twice]).bits()
    with pytest.raises(InputError, match="not a transition"):
        model_from_value(json.loads(json.dumps(base_model([twice]).to_value())), "m.json", counted=False)


@given(dags(), dags())
def test_a_member_of_a_set_model_has_the_same_sets_of_states(learned: LabelledGraph, other: LabelledGraph) -> None:
    """Doubling edges changes no answer of a model of sets, and what a model of multisets accepts it accepts too."""
    model = base_model([learned], counted=False)
    doubled = LabelledGraph(other.nodes, other.labels, other.edges * 2)
    assert (doubled in model) == (other in model)
    assert other not in base_model([learned]) or other in model


@given(st.lists(dags(), max_size=3), st.booleans(), st.data())
def test_what_was_learned_from_stays_a_member_after_every_merge(
    graphs: list[LabelledGraph], counted: bool, data: st.DataObject
) -> None:
    """Base model and every model merged from it accept the graphs they were learned from, and stay well-formed."""
    model = base_model(graphs, counted=counted)
    while True:
        assert all(graph in model for graph in graphs)
        assert math.isfinite(model.total_bits(graphs))
        assert model_from_value(json.loads(json.dumps(model.to_value())), "m.json", counted=counted) == model
        pairs = [pair for pair in combinations(sorted(model.types), 2) if model.compatible(*pair)]
        if not pairs:
            return
        model = model.merged(*data.draw(st.sampled_from(pairs)))


@given(st.lists(dags(), max_size=3), st.randoms())
def test_the_base_model_depends_on_shape_alone(graphs: list[LabelledGraph], random: Random) -> None:
    """Other ids, another order of nodes, edges and graphs, or one graph twice give an equal model."""
    others = [renamed(graph, random) for graph in [*graphs, *graphs[:1]]]
    random.shuffle(others)
    assert base_model(others) == base_model(graphs)


@given(dags(), dags())
def test_a_member_of_a_base_model_is_made_of_known_types(learned: LabelledGraph, other: LabelledGraph) -> None:
    """A graph is a member of a base model exactly if learning from it too would add nothing to the model."""
    model = base_model([learned])
    assert (other in model) == (base_model([learned, other]) == model)


@given(dags(), st.data())
def test_a_damaged_model_is_an_input_error_or_another_sound_model(graph: LabelledGraph, data: st.DataObject) -> None:
    """Whatever one replaces in a stored model, reading answers with a model that works or refuses the input."""
    assume(graph.nodes)
    value = json.loads(json.dumps(base_model([graph]).to_value()))
    at = data.draw(st.sampled_from([place for place in places(value) if place]))
    holder = value
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = data.draw(st.sampled_from([-1, 0, 1, 99, None, True, "a", "\ud800", [], [0, 0], {}, 1.5]))
    try:
        model = model_from_value(value, "m.json")
    except InputError as error:
        assert str(error).startswith("m.json: ")
    else:
        assert isinstance(model, PublishedModel)
        assert model.misfits(graph) is not None
        assert model.bits() >= 0


def renamed(graph: LabelledGraph, random: Random) -> LabelledGraph:
    order = list(range(len(graph)))
    random.shuffle(order)
    names = {graph.nodes[old]: f"n{new}" for new, old in enumerate(order)}
    edges = [Edge(names[edge.source], names[edge.target], edge.label) for edge in graph.edges]
    random.shuffle(edges)
    return LabelledGraph(
        tuple(names[graph.nodes[old]] for old in order), tuple(graph.labels[old] for old in order), tuple(edges)
    )


def places(value: object) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, part in inner for rest in places(part))]
