"""Order, union and equality of models are those of their path languages: automata-lib, which knows no model, agrees.

Rules of this file
    - What automata-lib says is compared with what the model says; none of our own determinisation is trusted.
    - Examples are few and small: each builds automata.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise, product

import networkx as nx
import pytest
from automata.fa.dfa import DFA
from automata.fa.nfa import NFA
from hypothesis import given
from hypothesis import strategies as st
from strategies import STATES, evidences, graphs

from grammar import Evidence, Graph, InputError, Model, Replica, Span, State, Transition
from grammar.algebra import aligned, dfa_of, kind, step, to_dfa, to_networkx, word
from grammar.nodelink import from_value

WEB1, WEB2, NOW = Replica("w1", "web1"), Replica("w2", "web2"), Span(1, 1)
SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd")
LENGTH = 3
# A label with a slot is a pattern: it renames other labels, and words of two models would differ by those names only.
PLAIN = graphs(STATES.filter(lambda state: "{" not in state.label.replace("\\{", "")))


def model_of(*shown: Graph) -> Model:
    evidence = Evidence()
    for graph in shown:
        evidence.update(graph.observed(WEB1, NOW))
    return Model.of("app", evidence)


def words(graph: Graph, model: Model | None = None) -> Iterator[list[str]]:
    """Every path of at most LENGTH vertices, with the graph's labels or those that the model gives its vertices."""
    states = [model.state_of(state) if model else state for state in graph.vertices]
    paths: list[tuple[int, list[Transition]]] = [(position, []) for position in range(len(states))]
    for position, path in paths:  # grows while it is read
        start = path[0].effect if path else states[position]
        yield word(start, path)
        if len(path) + 1 < LENGTH:
            paths += [
                (edge.cause, [*path, Transition(states[position], edge.relation, edge.operation, states[edge.cause])])
                for edge in graph.edges
                if edge.effect == position
            ]


def below(small: DFA, large: DFA) -> bool:
    one, other = aligned(small, large)
    return one.issubset(other)


def same(one: DFA, other: DFA) -> bool:
    left, right = aligned(one, other)
    return left == right


def independent(model: Model) -> DFA:
    """The path language as automata-lib determinises it; a word's first symbol leads out of a start of its own."""
    number = {state: position for position, state in enumerate(model.states, 1)}
    moves: dict[int, dict[str, set[int]]] = {position: {} for position in range(len(number) + 1)}
    for state in model.states:
        moves[0].setdefault(state.label, set()).add(number[state])
    for one in model.transitions:
        moves[number[one.effect]].setdefault(step(one), set()).add(number[one.cause])
    symbols = {symbol for choices in moves.values() for symbol in choices}
    ends = set(number.values())
    nfa = NFA(states={0} | ends, input_symbols=symbols, transitions=moves, initial_state=0, final_states=ends)
    return DFA.from_nfa(nfa, minify=False)


@given(graphs())
def test_the_determinised_language_is_that_of_automata_lib(graph: Graph) -> None:
    model = model_of(graph)
    assert same(to_dfa(model), independent(model))


@given(PLAIN, PLAIN)
def test_a_smaller_model_has_a_smaller_language(one: Graph, other: Graph) -> None:
    models = [(model, to_dfa(model)) for model in (model_of(one), model_of(other), model_of(one, other))]
    for (left, small), (right, large) in product(models, repeat=2):
        if left is not right and left <= right:
            assert below(small, large)


@given(PLAIN, PLAIN)
def test_a_union_has_every_word_of_both(one: Graph, other: Graph) -> None:
    model, delta = model_of(one), other.observed(WEB2, NOW)
    both = to_dfa(model | delta)
    assert below(to_dfa(model), both)
    assert below(to_dfa(Model.of("app", delta)), both)


@given(PLAIN)
def test_a_difference_that_is_empty_adds_no_word(graph: Graph) -> None:
    known = model_of(graph)
    again = known | graph.observed(WEB2, NOW)
    assert not again - known
    assert same(to_dfa(again), to_dfa(known))


@given(PLAIN, PLAIN)
def test_models_that_are_equal_have_one_language(one: Graph, other: Graph) -> None:
    left, right = model_of(one, other), model_of(other, one, other)
    assert left == right
    assert same(to_dfa(left), to_dfa(right))
    # Deterministic to the number of each state, not only up to renaming.
    assert to_dfa(left).transitions == to_dfa(right).transitions


@given(graphs(), evidences())
def test_every_path_of_an_observed_graph_is_a_word(graph: Graph, other: Evidence) -> None:
    """Also after patterns have generalised names, by the labels that the model then gives the graph."""
    model = Model.of("app", other) | graph.observed(WEB1, NOW)
    dfa = to_dfa(model)
    assert all(dfa.accepts_input(one) for one in words(graph, model))


@given(PLAIN, st.data())
def test_a_path_with_a_new_edge_is_a_word_only_after_it_is_seen(graph: Graph, data: st.DataObject) -> None:
    effect, cause = (data.draw(st.sampled_from(graph.vertices)) for _ in range(2))
    new = Transition(effect, "USED", "never seen", cause)
    path, seen = word(effect, [new]), Evidence()
    seen.add(new, WEB2, NOW)
    model = model_of(graph)
    assert not to_dfa(model).accepts_input(path)
    assert to_dfa(model | seen).accepts_input(path)


@given(PLAIN)
def test_merging_states_of_one_label_only_adds_words(graph: Graph) -> None:
    model = model_of(graph)
    merged = Graph(tuple(State(state.label) for state in graph.vertices), graph.edges)
    assert below(to_dfa(model), to_dfa(model_of(merged)))


@given(graphs())
def test_every_prefix_of_a_word_is_a_word_but_the_empty_one(graph: Graph) -> None:
    dfa = to_dfa(model_of(graph))
    assert dfa.final_states == dfa.states - {dfa.initial_state}
    assert not dfa.accepts_input([])
    assert all(dfa.initial_state not in moves.values() for moves in dfa.transitions.values())


def test_no_model_has_no_word() -> None:
    assert to_dfa(Model.of("app", Evidence())).isempty()


def test_a_context_keeps_apart_what_a_label_would_join() -> None:
    """What the DFA is for: a trace that mixes two histories of one file is a word only where they are merged."""
    first, second = State("File /tmp/x", ("by cp",)), State("File /tmp/x", ("by nc",))
    read, made = Transition(SHELL, "USED", "read", first), Transition(second, "WAS_GENERATED_BY", "write", PASSWD)
    mixed = [SHELL.label, step(read), step(made)]
    assert not dfa_of((), (read, made)).accepts_input(mixed)
    joined = State("File /tmp/x")
    assert dfa_of((), (read._replace(cause=joined), made._replace(effect=joined))).accepts_input(mixed)


def _counter(bits: int) -> list[Transition]:
    """Walks whose symbol `bits` steps ago is guessed: 2**bits sets of states, as every textbook warns."""
    labels = ("a", "b")
    rows = [[State("a", ("0",)), State("b", ("0",))], [State("a", ("1",))]]
    rows += [[State(label, (str(row),)) for label in labels] for row in range(2, bits + 1)]
    found = [Transition(one, "R", "", other) for one, other in product(rows[0], repeat=2)]
    return found + [Transition(one, "R", "", to) for row, after in pairwise(rows) for one, to in product(row, after)]


def test_a_language_that_needs_too_many_states_is_refused_at_the_limit() -> None:
    few = dfa_of((), _counter(4))
    assert len(few.states) > 2**4
    assert len(dfa_of((), _counter(4), max_states=len(few.states)).states) == len(few.states)
    for bits, limit in ((4, len(few.states) - 1), (60, 1000)):
        with pytest.raises(InputError, match=f"limit of {limit} DFA states"):
            dfa_of((), _counter(bits), max_states=limit)


@given(st.lists(st.tuples(st.text("/% a2F0", max_size=4), st.text("/% a2F0", max_size=4)), max_size=6))
def test_different_relations_and_operations_are_different_symbols(pairs: list[tuple[str, str]]) -> None:
    assert len({kind(*pair) for pair in pairs}) == len(set(pairs))
    symbols = {step(Transition(SHELL, *pair, PASSWD)) for pair in pairs}
    assert len(symbols) == len(set(pairs))


def test_a_path_with_a_gap_is_no_path() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        word(PASSWD, [Transition(SHELL, "USED", "read", PASSWD)])


@given(evidences())
def test_the_graph_survives_json_and_is_read_as_ours(evidence: Evidence) -> None:
    model = Model.of("app", evidence)
    graph = to_networkx(model)
    value = json.loads(json.dumps(nx.node_link_data(graph, edges="edges")))
    again = nx.node_link_graph(value, edges="edges")
    assert nx.utils.graphs_equal(graph, again)
    assert dict(graph.nodes) == {
        model.ids[one]: {"label": one.label, "context": list(one.context), "support": len(model.support[one])}
        for one in model.states
    }
    assert sorted((a, b, d["relation"], d["operation"], d["support"]) for a, b, d in graph.edges(data=True)) == sorted(
        (model.ids[one.effect], model.ids[one.cause], one.relation, one.operation, len(model.support[one]))
        for one in model.transitions
    )
    assert len(from_value(value, "g.json").edges) == len(model.transitions)


@pytest.mark.parametrize(("missing", "call"), [("automata.fa.dfa", to_dfa), ("networkx", to_networkx)])
def test_an_absent_library_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, missing: str, call: object
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert callable(call)
    with pytest.raises(InputError, match=r"not installed \(pip install 'winnower\[algebra\]'\)"):
        call(Model.of("app", Evidence()))
