"""Parsing: what was observed is accepted, what is accepted maps into the model, and only who is new is blamed."""

from __future__ import annotations

import time

import pytest
from graph_files import FORK, READ, WRITE, chain, digraphs, made, request
from hypothesis import given
from hypothesis import strategies as st

from grammar.causal import CausalGraph
from grammar.cost import Settings
from grammar.evidence import Evidence, State, Transition
from grammar.model import Model
from grammar.nodelink import LabelledGraph
from grammar.parsing import Parse, Parser

EXAMPLES = Settings(tracing=4)
"""What the examples are folded with, whatever the default is tuned to."""
FOLDS = [None, Settings(tracing=0), EXAMPLES, Settings()]


def learned(*graphs: LabelledGraph, fold: Settings | None = EXAMPLES) -> Model:
    evidence = Evidence()
    for graph in graphs:
        evidence.update(CausalGraph.of(graph).evidence())
    base = Model.of("graph", evidence)
    return base if fold is None else base.folded(fold)


def parsed(model: Model, graph: LabelledGraph) -> Parse:
    return Parser(model).parse(CausalGraph.of(graph))


def blamed(model: Model, graph: LabelledGraph) -> dict[int, set[tuple[str, int]]]:
    """Per culprit its new edges: operation (or relation) and cause."""
    return {
        one.vertex: {(arc.operation or arc.relation, arc.cause) for arc in one.arcs}
        for one in parsed(model, graph).culprits
    }


def assert_homomorphism(model: Model, graph: LabelledGraph, found: Parse) -> None:
    causal = CausalGraph.of(graph)
    for label, state in zip(graph.labels, found.assigned, strict=True):
        assert state is not None
        assert state in model.support
        assert state.label == label
    for effect, arcs in enumerate(causal.causes):
        for arc in arcs:
            ends = found.assigned[effect], found.assigned[arc.cause]
            assert ends[0] is not None
            assert ends[1] is not None
            assert Transition(ends[0], arc.relation, arc.operation, ends[1]) in model.support


@given(st.lists(digraphs(), max_size=3), st.sampled_from(FOLDS))
def test_every_observed_graph_is_accepted(graphs: list[LabelledGraph], fold: Settings | None) -> None:
    """However the model is folded, each graph that it was learned from has no culprit."""
    model = learned(*graphs, fold=fold)
    for graph in graphs:
        found = parsed(model, graph)
        assert found.culprits == ()
        assert_homomorphism(model, graph, found)


@given(st.lists(digraphs(), max_size=3), digraphs(), st.sampled_from(FOLDS))
def test_what_is_accepted_maps_into_the_model(
    graphs: list[LabelledGraph], other: LabelledGraph, fold: Settings | None
) -> None:
    """Acceptance of any graph is a label-preserving homomorphism; refusal names a culprit with what is new."""
    model = learned(*graphs, fold=fold)
    found = parsed(model, other)
    if not found.culprits:
        assert_homomorphism(model, other, found)
    for one in found.culprits:
        assert one.label == other.labels[one.vertex]
        assert one.arcs or not one.is_known


@given(st.lists(digraphs(), min_size=1, max_size=3), st.data())
def test_a_part_of_an_observed_graph_is_not_blamed_for_labels(graphs: list[LabelledGraph], data: st.DataObject) -> None:
    """A graph with one vertex of a new label: it is blamed, and no vertex that has nothing to do with it."""
    model = learned(*graphs)
    graph = data.draw(st.sampled_from(graphs))
    size = len(graph)
    stranger = LabelledGraph((*graph.nodes, size), (*graph.labels, "Process sh"), graph.edges)
    assert set(blamed(model, stranger)) == {size}


def test_the_same_graph_is_parsed_the_same_way_twice() -> None:
    model = learned(request("abc"), request("bcd"))
    assert parsed(model, request("abcd")) == parsed(model, request("abcd"))


def test_a_request_that_reads_four_known_files_instead_of_three_is_no_attack() -> None:
    model = learned(request("abc"), request("bcd"), request("ad"))
    assert blamed(model, request("abcd")) == {}
    assert blamed(model, request("b")) == {}


def test_a_request_that_starts_a_shell_is_blamed_for_the_shell_alone() -> None:
    model = learned(request("abc"), request("bcd"), request("ad"))
    graph = request("abcd", shell=True)
    shell = graph.labels.index("Process sh")
    assert blamed(model, graph) == {shell: {("fork", 1), ("read", shell + 2)}}


def test_a_known_program_that_starts_another_known_one_for_the_first_time_is_blamed_for_that_edge() -> None:
    admin = made(["Process sshd", "Process sh", "File /srv/a"], (1, 0, FORK), (1, 2, READ))
    model = learned(request("abc"), admin)
    log = 7  # a shell has not written it before either
    assert blamed(model, request("abc", shell=True)) == {6: {("fork", 1)}, log: {("write", 6)}}


def test_what_lies_downstream_of_a_culprit_is_not_blamed() -> None:
    steps = ["a", "b", "c", "d", "e"]
    model = learned(chain(steps))
    detour = made(["a", "b", "c", "d", "e"], (1, 0), (2, 1), (2, 0), (3, 2), (4, 3))
    assert blamed(model, detour) == {2: {("", 0)}}


@pytest.mark.parametrize(("learned_rounds", "fold"), [(3, EXAMPLES), (3, None), (2, EXAMPLES)])
def test_a_chain_longer_than_all_that_were_learned_is_accepted(learned_rounds: int, fold: Settings | None) -> None:
    model = learned(chain(["in", *["map", "reduce"] * learned_rounds]), fold=fold)
    for rounds in (1, 2, 3, 50):
        assert blamed(model, chain(["in", *["map", "reduce"] * rounds])) == {}
    assert blamed(model, chain(["in", "map", "map"])) == {2: {("", 1)}}


def test_a_cycle_of_another_length_is_accepted_where_the_model_has_one() -> None:
    model = learned(made(["a", "b"], (0, 1), (1, 0)))
    assert blamed(model, made(["a", "b"] * 3, *((n, (n + 1) % 6) for n in range(6)))) == {}


@pytest.mark.parametrize("outside", [False, True])
def test_a_new_edge_on_a_cycle_is_named(outside: bool) -> None:
    model = learned(made(["a", "b", "c"], (0, 1), (1, 0), (0, 2)))
    edges = [(0, 1), (1, 0), (0, 2), *([(1, 2, "r")] if outside else [(1, 0, "r")])]
    assert blamed(model, made(["a", "b", "c"], *edges)) == {1: {("r", 2 if outside else 0)}}


def test_a_new_label_on_a_cycle_is_blamed_and_its_neighbours_are_not() -> None:
    model = learned(made(["a", "b"], (0, 1), (1, 0)))
    assert blamed(model, made(["a", "b", "x"], (0, 1), (1, 0), (2, 0, WRITE), (0, 2, READ))) == {2: {("write", 0)}}


def test_an_empty_graph_is_a_member_and_an_empty_model_blames_all() -> None:
    assert blamed(learned(), made([])) == {}
    assert blamed(learned(), made(["a", "b"], (0, 1))) == {0: {("", 1)}, 1: set()}


def test_a_vertex_takes_the_state_with_the_fewest_ancestors() -> None:
    model = learned(made(["f", "p", "f", "q"], (0, 1), (2, 3), (3, 1)), fold=None)
    state = parsed(model, made(["f"])).assigned[0]
    assert state == CausalGraph.of(made(["f", "p"], (0, 1))).states[0]
    assert isinstance(state, State)


def test_parsing_is_linear_in_the_graph() -> None:
    model = learned(request("abc"), request("bcd"))

    def seconds(copies: int) -> float:
        one = request("abcd", shell=True)
        shift = len(one)
        edges = [
            (e.source + c * shift, e.target + c * shift, e.label)  # type: ignore[operator]
            for c in range(copies)
            for e in one.edges
        ]
        graph = CausalGraph.of(made(list(one.labels) * copies, *edges))
        started = time.process_time()
        assert len(Parser(model).parse(graph).culprits) == copies
        return time.process_time() - started

    small, large = min(seconds(1_000) for _ in range(3)), min(seconds(8_000) for _ in range(3))
    assert large < 8 * small * 3
