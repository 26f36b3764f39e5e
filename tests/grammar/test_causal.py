"""Base states: a label and all labels that a vertex may come from, on cycles too, whatever the ids in the file."""

from __future__ import annotations

import time
from random import Random

import networkx
import pytest
from graph_files import chain, digraphs, made, renamed
from hypothesis import given
from hypothesis import strategies as st

from grammar.causal import CausalGraph
from grammar.errors import InputError
from grammar.evidence import State, Transition
from grammar.history import Histories, Ration
from grammar.nodelink import LabelledGraph


@given(digraphs())
def test_a_base_state_is_the_label_and_the_labels_of_all_ancestors(graph: LabelledGraph) -> None:
    """By transitive closure over paths of at least one edge, with the numbers in file names left out."""
    causal = CausalGraph.of(graph)
    reached = networkx.transitive_closure(networkx.DiGraph([(edge.source, edge.target) for edge in graph.edges]))
    histories = Histories(Ration(1 << 30, 1 << 30))
    for position, label in enumerate(graph.labels):
        known = 0
        for ancestor in reached.successors(position) if position in reached else ():
            known |= histories.bit(graph.labels[ancestor])
        assert causal.states[position] == State(label, histories.context(label, (), known))


@given(digraphs(), st.randoms())
def test_ids_and_order_leave_no_trace(graph: LabelledGraph, random: Random) -> None:
    assert CausalGraph.of(renamed(graph, random)).evidence() == CausalGraph.of(graph).evidence()


@given(digraphs())
def test_the_evidence_holds_every_vertex_and_every_edge(graph: LabelledGraph) -> None:
    causal = CausalGraph.of(graph)
    shown = causal.evidence().seen
    transitions = {causal.transition(effect, arc) for effect, found in enumerate(causal.causes) for arc in found}
    assert shown.keys() == {*causal.states, *transitions}
    assert len(transitions) <= len(graph.edges)


def test_an_edge_label_is_a_relation_and_an_operation() -> None:
    causal = CausalGraph.of(made(["a", "b"], (0, 1, "USED/read"), (0, 1, "plain")))
    a, b = causal.states
    assert set(causal.evidence().transitions) == {Transition(a, "USED", "read", b), Transition(a, "plain", "", b)}


def test_a_level_says_how_many_vertices_show_a_state() -> None:
    evidence = CausalGraph.of(made(["a"] * 9)).evidence()
    ((span,),) = [held.values() for held in evidence.seen.values()]
    assert span.level == 3


def test_graphs_that_show_different_things_are_different_replicas() -> None:
    graphs = [made(["a"]), made(["a", "a"]), made(["b"]), chain("ab"), made(["a", "b"], (1, 0), (1, 0, "r"))]
    assert len({CausalGraph.of(graph).replica() for graph in graphs}) == len(graphs)


@pytest.mark.parametrize("label", ["\ud800", "\udcc3\udca9", "x" * 20_000])
def test_labels_that_no_model_can_hold_are_refused_with_the_file(label: str) -> None:
    graph = LabelledGraph((0,), (label,), (), "g.json")
    with pytest.raises(InputError, match=r"^g\.json: a label "):
        CausalGraph.of(graph)


def test_undecodable_bytes_are_kept() -> None:
    assert CausalGraph.of(made(["File /\udcff"])).states[0].label == "File /\udcff"


def test_a_long_chain_and_a_long_cycle_need_no_deep_stack() -> None:
    length = 100_000
    started = time.process_time()
    CausalGraph.of(chain(["a", "b"] * (length // 2)))
    ring = made(["a"] * length, *((n, (n + 1) % length) for n in range(length)))
    assert len(CausalGraph.of(ring).components) == 1
    assert time.process_time() - started < 20
