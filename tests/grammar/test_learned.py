"""Learned models: merging is a union, deltas are exact and harmless when they come twice, whatever the preset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from graph_files import FORK, READ, chain, dags, digraphs, made, renamed, request
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar.causal import CausalGraph
from grammar.cost import Settings
from grammar.errors import BaseMismatchError, InputError
from grammar.evidence import Evidence
from grammar.learned import PRESETS, Delta
from grammar.learned_causes import TRACING, Causes
from grammar.learned_trees import Trees, by_digest
from grammar.model import Model
from grammar.modelfile import Learned, delta_bytes, model_bytes, read, read_model
from grammar.nodelink import LabelledGraph, from_value

TREES = PRESETS[:2]
some_dags = st.lists(dags(), max_size=3)
presets = pytest.mark.parametrize("preset", PRESETS)


def learned(graphs: Sequence[LabelledGraph], preset: str, limit: int = 100_000, tracing: float = TRACING) -> Learned:
    if preset in TREES:
        return Trees.of(preset, by_digest(graphs, preset), limit)
    evidence = Evidence()
    for graph in graphs:
        evidence.update(CausalGraph.of(graph).evidence())
    return Causes.of(evidence, tracing)


def merged(models: Sequence[Learned], deltas: Sequence[Delta] = ()) -> Learned:
    first = models[0]
    if isinstance(first, Causes):
        return first.merged([one for one in models[1:] if isinstance(one, Causes)], deltas)
    return first.merged([one for one in models[1:] if isinstance(one, Trees)], deltas)


def reread(model: Learned) -> Learned:
    return read_model(model_bytes(model), "m")


def reread_delta(delta: Delta) -> Delta:
    found = read(delta_bytes(delta), "d")
    assert isinstance(found, Delta)
    assert (found.preset, found.base, found.graphs) == (delta.preset, delta.base, delta.graphs)
    assert found.witness_graphs == delta.witness_graphs
    assert Model.of("graph", found.evidence) == Model.of("graph", delta.evidence)
    assert Model.of("graph", found.witness) == Model.of("graph", delta.witness)
    return found


@presets
@given(parts=st.lists(some_dags, min_size=1, max_size=3), data=st.data())
def test_merging_is_learning_from_all_graphs_in_any_order(
    preset: str, parts: list[list[LabelledGraph]], data: st.DataObject
) -> None:
    """Commutative, associative, idempotent, in bytes; files in between leave no trace."""
    models = [reread(learned(part, preset)) for part in parts]
    whole = model_bytes(learned([graph for part in parts for graph in part], preset))
    for order in permutations(models):
        assert model_bytes(merged(order)) == whole
    assert model_bytes(merged([*models, *models[:1]])) == whole
    nested = merged([merged(models[:1]), merged(models[1:])]) if len(models) > 1 else merged(models)
    assert model_bytes(nested) == whole
    assert model_bytes(merged([models[0], models[0]])) == model_bytes(models[0])


@presets
@given(graphs=some_dags, random=st.randoms())
def test_a_model_accepts_what_it_was_learned_from_after_it_was_stored(
    preset: str, graphs: list[LabelledGraph], random: Random
) -> None:
    model = reread(learned(graphs, preset))
    assert all(not model.blamed(renamed(graph, random)) for graph in graphs)


@presets
@given(graphs=some_dags, other=dags())
def test_a_delta_makes_the_model_accept_and_is_nothing_for_a_member(
    preset: str, graphs: list[LabelledGraph], other: LabelledGraph
) -> None:
    """model ⊕ delta accepts the graph and all before it; twice is once; a member's delta is empty."""
    model = reread(learned(graphs, preset))
    delta = reread_delta(model.delta(other))
    assert bool(delta) == bool(model.blamed(other))
    after = merged([model], [delta])
    assert not after.blamed(other)
    assert all(not after.blamed(graph) for graph in graphs)
    assert model_bytes(merged([model], [delta, delta])) == model_bytes(after)
    if delta.is_empty:
        assert model_bytes(after) == model_bytes(model)
    else:
        assert model_bytes(merged([reread(after)], [delta])) == model_bytes(after)
    assert after.delta(other).is_empty


def assert_nothing_is_lost(graphs: Sequence[LabelledGraph], preset: str, tracing: float = TRACING) -> Learned:
    """From the first graph by the deltas of the others, in files; each step accepts all graphs so far."""
    model = learned(graphs[:1], preset, tracing=tracing)
    for number, graph in enumerate(graphs[1:], 1):
        delta = reread_delta(model.delta(graph))
        assert bool(delta) == bool(model.blamed(graph))
        model = reread(merged([model], [delta]))
        assert all(not model.blamed(before) for before in graphs[: number + 1])
    return model


@presets
@given(graphs=st.lists(dags(), min_size=1, max_size=4))
def test_nothing_that_was_observed_is_lost(preset: str, graphs: list[LabelledGraph]) -> None:
    """Every graph so far is accepted after every delta, although learning again may take back a generalisation."""
    model = assert_nothing_is_lost(graphs, preset)
    if preset in TREES:
        assert model_bytes(model) == model_bytes(learned(graphs, preset))


@given(st.lists(digraphs(), min_size=1, max_size=5), st.sampled_from([0, TRACING, 64]))
def test_no_cyclic_graph_is_lost_either(graphs: list[LabelledGraph], tracing: float) -> None:
    """Whatever is folded."""
    assert_nothing_is_lost(graphs, "causes", tracing)


@given(st.lists(digraphs(), min_size=1, max_size=3), st.lists(digraphs(), min_size=1, max_size=3))
def test_deltas_and_models_of_others_lose_nothing(ours: list[LabelledGraph], theirs: list[LabelledGraph]) -> None:
    """Two histories of deltas, merged."""
    both = merged([assert_nothing_is_lost(ours, "causes"), assert_nothing_is_lost(theirs, "causes")])
    assert all(not both.blamed(graph) for graph in [*ours, *theirs])


@presets
@given(graphs=st.lists(dags(), min_size=3, max_size=3))
def test_deltas_of_one_base_apply_in_any_order_and_any_number(preset: str, graphs: list[LabelledGraph]) -> None:
    model = learned(graphs[:1], preset)
    one, other = (reread_delta(model.delta(graph)) for graph in graphs[1:])
    after = model_bytes(merged([model], [one, other]))
    assert model_bytes(merged([model], [other, one])) == after
    assert model_bytes(merged([model], [one, other, other, one])) == after
    assert model_bytes(merged([merged([model], [one]), model], [other])) == after
    assert all(not reread(merged([model], [other, one])).blamed(graph) for graph in graphs)


def test_a_graph_that_only_generalisation_accepted_stays_accepted() -> None:
    graphs = [made(["a"]), made(["a", *"bbb"], (2, 0), (3, 2)), made(["b", "b", "a"], (1, 0), (2, 0), (2, 1))]
    assert_nothing_is_lost(graphs, "causes")
    graphs = [
        made("bbbbbbba", (1, 0), (2, 0), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6)),
        made("bb", (1, 0)),
        made("bbaabbba", (1, 0), (2, 1), (3, 0), (4, 0), (5, 4), (6, 5), (7, 6)),
    ]
    assert_nothing_is_lost(graphs, "multiset")


def test_what_a_member_shows_for_the_first_time_is_a_witness_and_no_news() -> None:
    delta = learned([request("abc"), request("bcd"), request("ad")], "causes").delta(request("abcd"))
    assert not delta
    assert not delta.is_empty
    assert {"Process worker", "File /log"} <= {item.label for item in delta.witness.states}
    for preset in TREES:
        delta = learned([chain("aaaaaa")], preset).delta(chain("aaaaaaaa"))
        assert not delta
        assert [len(graph) for graph in delta.witness_graphs.values()] == [8]


@given(st.lists(digraphs(), max_size=3), digraphs())
def test_cyclic_graphs_have_deltas_too(graphs: list[LabelledGraph], other: LabelledGraph) -> None:
    model = learned(graphs, "causes")
    after = merged([model], [model.delta(other)])
    assert all(not after.blamed(graph) for graph in [*graphs, other])


@settings(max_examples=20)
@given(st.lists(dags(), min_size=2, max_size=3), st.sampled_from(PRESETS))
def test_deltas_apply_one_after_the_other(graphs: list[LabelledGraph], preset: str) -> None:
    """A delta may name what earlier deltas have made of the base."""
    model = first = learned(graphs[:1], preset)
    deltas = []
    for graph in graphs[1:]:
        deltas.append(model.delta(graph))
        model = merged([model], deltas[-1:])
    assert model_bytes(merged([first], deltas)) == model_bytes(model)


@presets
def test_a_delta_against_another_base_names_both(preset: str) -> None:
    one, other = learned([chain("ab")], preset), learned([chain("abc")], preset)
    delta = read(delta_bytes(one.delta(chain("xy"))), "d.json")
    assert isinstance(delta, Delta)
    with pytest.raises(BaseMismatchError) as caught:
        merged([other], [delta])
    assert str(caught.value).startswith("d.json: a delta against ")
    assert one.digest in str(caught.value)
    assert other.digest in str(caught.value)
    empty = one.delta(chain("ab"))
    with pytest.raises(BaseMismatchError):
        merged([other], [empty])
    assert model_bytes(merged([other, one], [delta])) == model_bytes(merged([one, other], [delta]))


def test_the_delta_of_a_shell_holds_the_shell_and_what_comes_from_it() -> None:
    model = learned([request("abc"), request("bcd"), request("ad")], "causes")
    delta = model.delta(request("abc", shell=True))
    assert {item.label for item in delta.evidence.states} == {
        "Process sh",
        "Process worker",
        "File /log",
        "File /srv/a",
    }
    told = {(one.effect.label, one.operation, one.cause.label) for one in delta.evidence.transitions}
    assert told == {
        ("Process sh", "fork", "Process worker"),
        ("Process sh", "read", "File /srv/a"),
        ("File /log", "write", "Process sh"),
    }
    assert delta.evidence.states & set(model.base.states if isinstance(model, Causes) else ())


@given(dags(), st.randoms(), st.sampled_from(TREES))
def test_the_digest_of_a_graph_does_not_depend_on_its_ids(graph: LabelledGraph, random: Random, preset: str) -> None:
    assert by_digest([renamed(graph, random)], preset).keys() == by_digest([graph], preset).keys()


@given(some_dags, st.randoms())
def test_canonical_graphs_are_their_own_canonical_form(graphs: list[LabelledGraph], random: Random) -> None:
    found = by_digest(graphs, "multiset")
    shuffled = list(found.values())
    random.shuffle(shuffled)
    assert by_digest(shuffled, "multiset") == found


def test_a_set_is_not_counted() -> None:
    twice = made(["a", "b"], (0, 1), (0, 1))
    once = made(["a", "b"], (0, 1))
    three = made(["a", "b", "b", "b"], (0, 1), (0, 2), (0, 3))
    assert learned([twice], "multiset").blamed(once)
    assert learned([three], "multiset").blamed(once)
    for graph in (twice, three):
        assert not learned([graph], "set").blamed(once)
        assert not learned([once], "set").blamed(graph)
    assert model_bytes(learned([twice], "set")) == model_bytes(learned([once], "set"))
    assert learned([once], "set").blamed(made(["a", "b"], (0, 1, "r")))


def test_models_with_different_tracing_do_not_merge() -> None:
    with pytest.raises(InputError, match="different --tracing"):
        Causes.of(Evidence(), 1).merged([Causes.of(Evidence(), 2)], [])


def test_models_are_merged_with_the_largest_limit() -> None:
    small, large = learned([chain("aaaa")], "multiset", 1), learned([chain("aaaaa")], "multiset", 500)
    found = merged([small, large])
    assert isinstance(found, Trees)
    assert found.limit == 500
    assert model_bytes(merged([large, small])) == model_bytes(found)
    assert model_bytes(merged([small, small])) == model_bytes(small)


@presets
def test_pictures_show_support_and_loops(preset: str) -> None:
    model = learned([chain(["in", *["map", "reduce"] * n]) for n in (3, 4)], preset)
    picture = model.picture()
    assert {node.label for loop in picture.loops() for node in loop} == {"map", "reduce"}
    (source,) = (node for node in picture.nodes if node.label == "in")
    assert (source.graphs, source.vertices) == (2, 2)


def test_a_picture_of_causes_lists_operations() -> None:
    graph = made(["Process sh", "Process init"], (0, 1, FORK), (0, 1, READ), (0, 1))
    (arrow,) = learned([graph], "causes").picture().arrows
    assert (arrow.operations, arrow.graphs) == (("", "USED/read", "WAS_TRIGGERED_BY/fork"), 1)


def test_stored_models_name_their_version() -> None:
    for preset in PRESETS:
        value = json.loads(model_bytes(learned([chain("ab")], preset)))
        assert value["preset"] == preset
        assert isinstance(value["version"], int)


def pipeline(rounds: int, *, versions: bool = False) -> LabelledGraph:
    """map and reduce in turn, each the cause of the next; with versions, each knows itself of the round before."""
    graph = chain(["in", *["map", "reduce"] * rounds])
    edges = [(edge.source, edge.target, READ) for edge in graph.edges]
    again = [(at, at - 2, "version") for at in range(3, 2 * rounds + 1)] if versions else []
    return made(graph.labels, *edges, *again)


@pytest.mark.parametrize("versions", [False, True])
@pytest.mark.parametrize("rounds", [2, 3])
def test_a_pipeline_is_a_loop_after_two_rounds(rounds: int, versions: bool) -> None:
    model = learned([pipeline(rounds, versions=versions)], "causes")
    for more in (1, 2, 3, 10, 100):
        assert not model.blamed(pipeline(more, versions=versions))
    for wrong in (["in", "map", "map"], ["in", "map", "reduce", "reduce"], ["in", "map", "x"], ["in", "reduce"]):
        size = len(wrong) - 1
        graph = made(wrong, *((at + 1, at, READ) for at in range(size)))
        assert {one.vertex for one in model.blamed(graph)} == {size}


def test_four_files_instead_of_three_are_accepted_after_a_shell_was_learned_too() -> None:
    seen = [request("abc"), request("bcd"), request("ad")]
    for graphs in (seen, [*seen, request("abc", shell=True)]):
        assert not learned(graphs, "causes").blamed(request("abcd"))
    assert learned(seen, "causes").blamed(request("abcd", shell=True))


def test_causes_accept_the_published_examples_and_do_not_count_diamonds(shared: Path) -> None:
    """What must be accepted is. A diamond that is repeated once too often has no new cause, so it is accepted too."""
    for case in json.loads((shared / "vectors" / "induction.json").read_bytes()):
        model = learned([from_value(case["learn"], "learn")], "causes")
        assert all(not model.blamed(from_value(graph, "accept")) for graph in case["accept"])
        refused = [bool(model.blamed(from_value(graph, "reject"))) for graph in case["reject"]]
        assert refused == [case["name"] != "repeated-diamonds"] * len(refused)


@given(st.lists(digraphs(), max_size=3), st.sampled_from([0, TRACING, 24]))
def test_bits_are_those_that_folding_has_counted(graphs: list[LabelledGraph], tracing: float) -> None:
    model = learned(graphs, "causes", tracing=tracing)
    assert isinstance(model, Causes)
    saved: list[float] = []
    model.base.folded(Settings(tracing=tracing), observer=lambda step: saved.append(step.bits))
    folded, unmerged = model.bits
    assert folded == pytest.approx(unmerged - sum(saved))
    assert folded <= unmerged
