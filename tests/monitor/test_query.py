"""A question finds what its conditions say, by glob or by what a pattern stands for; an id may be cut short."""

import pytest
from playbook import APACHE, CURL, SH, connects, reads, runs, writes

from grammar import Evidence, InputError, Model, Replica, Span, State, Transition
from monitor.query import Answer, conditions_of, find_nodes, matches, node_value, trace

TRANSITIONS = (
    runs(APACHE, SH),
    Transition(State(CURL), "WAS_TRIGGERED_BY", "execve", State(SH, (f"from {APACHE}",))),
    reads(CURL, "/var/lib/php/sess_{token:26}"),
    connects(CURL, "10.0.0.1:80"),
)


def model_of(app: str = "web") -> Model:
    evidence = Evidence()
    for number, transition in enumerate(TRANSITIONS):
        evidence.add(transition, Replica("w1", "web1"), Span(1000, 2000 + number))
        evidence.add(transition, Replica("w2", "web2"), Span(500, 1500))
    evidence.add(State("File /lone"), Replica("w3", "web3"), Span(0, 0))
    evidence.command(State(CURL), "curl -s http://x")
    return Model.of(app, evidence)


MODEL = model_of()


def labels(answer: Answer) -> list[str]:
    return [state.label for state in answer.states]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"name": "curl"}, [CURL]),
        ({"exe": "/usr/bin/*"}, [CURL, SH]),
        ({"kind": "Socket"}, ["Socket 10.0.0.1:80"]),
        ({"peer": "10.0.0.*"}, ["Socket 10.0.0.1:80"]),
        ({"path": "/var/lib/php/sess_abcdefghijklmnopqrstuvwx12"}, ["File /var/lib/php/sess_{token:26}"]),
        ({"path": "/var/lib/php/sess_short"}, []),
        ({"kind": "Process", "command": "*http://x"}, [CURL]),
        ({"nonsense": "*"}, []),
    ],
)
def test_nodes_by_their_properties(conditions: dict[str, str], found: list[str]) -> None:
    assert labels(find_nodes(MODEL, conditions)) == found


def test_without_conditions_all_nodes() -> None:
    assert len(find_nodes(MODEL, {}).states) == len(MODEL.states)


def test_a_pattern_that_does_not_parse_matches_nothing() -> None:
    assert not matches("{nonsense", "x")
    assert matches("{nonsense", "{nonsense")


@pytest.mark.parametrize("argument", ["", "path", "=x"])
def test_a_condition_needs_key_and_value(argument: str) -> None:
    with pytest.raises(InputError, match="not KEY=PATTERN"):
        conditions_of([argument])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert conditions_of(["command=a=b"]) == {"command": "a=b"}


def test_ancestors_come_nearest_first_with_their_distance() -> None:
    (peer,) = find_nodes(MODEL, {"kind": "Socket"}).states
    answer = trace([MODEL], MODEL.ids[peer], "ancestors")
    assert next(iter(answer.states.items())) == (State(CURL), 1)
    assert list(answer.states.values()) == sorted(answer.states.values())
    assert {SH, APACHE} <= set(labels(answer))
    assert labels(trace([MODEL], MODEL.ids[peer], "ancestors", 1)) == [CURL]
    assert labels(trace([MODEL], MODEL.ids[peer], "ancestors", 0)) == []
    assert labels(trace([MODEL], MODEL.ids[State(APACHE)], "descendants"))[0] == SH


def test_the_start_of_an_id_will_do_while_it_is_unique() -> None:
    wanted = MODEL.ids[State("File /lone")]
    short = next(wanted[:n] for n in range(1, 17) if sum(one.startswith(wanted[:n]) for one in MODEL.by_id) == 1)
    assert trace([MODEL], short, "ancestors").start == State("File /lone")


def test_the_start_of_several_ids_is_refused_and_lists_them() -> None:
    models = [model_of(f"app{n}") for n in range(20)]
    ids = [number for model in models for number in model.by_id]
    first = next(one[0] for one in ids if sum(other.startswith(one[0]) for other in ids) > 8)
    with pytest.raises(InputError, match=r"the start of [0-9]+ ids") as error:
        trace(models, first, "ancestors")
    assert sum(number in str(error.value) for number in ids) == 8


@pytest.mark.parametrize("node", ["", "zz", "0" * 16, "\x1b[31m"])
def test_an_id_that_nothing_has_is_an_error(node: str) -> None:
    with pytest.raises(InputError, match="no such node") as error:
        trace([MODEL], node, "ancestors")
    assert "\x1b" not in str(error.value)


def test_a_node_in_json_is_the_contract() -> None:
    value = node_value(MODEL, State(CURL))
    assert value["id"] == MODEL.ids[State(CURL)]
    assert (value["app"], value["kind"], value["label"]) == ("web", "Process", CURL)
    assert value["properties"] == {"name": "curl", "exe": "/usr/bin/curl", "command": "curl -s http://x"}
    assert value["support"] == {"workers": ["w1", "w2"], "containers": 2, "of": 3}
    assert (value["first_seen"], value["last_seen"]) == (0.5, 2.003)


def test_an_answer_says_what_was_lost_on_the_workers_it_rests_on() -> None:
    lost = {"w1": {"late": 2}, "w2": {"late": 1, "truncated": 1}, "w3": {"late": 100}}
    answer = Answer(MODEL, {State(CURL): 0, State("File /lone"): 0}, lost=lost)
    assert [one["lost"] for one in answer.value()] == [{"late": 3, "truncated": 1}, {"late": 100}]


def test_a_node_on_a_cycle_is_its_own_ancestor_and_stands_once_in_the_graph() -> None:
    evidence = Evidence()
    evidence.add(writes(SH, "/x"), Replica("w1", "web1"), Span(0, 0))
    evidence.add(reads(SH, "/x"), Replica("w1", "web1"), Span(0, 0))
    model = Model.of("web", evidence)
    answer = trace([model], model.ids[State(SH)], "ancestors")
    assert State(SH) in answer.states
    assert len(answer.nodes) == len(set(answer.nodes)) == 2
    assert len(answer.edges) == 2


def test_what_was_asked_for_to_the_letter_comes_alone() -> None:
    evidence = Evidence()
    for label in ("Socket 10.0.0.1:4444", "Socket 10.0.0.1:{port}>*:80"):
        evidence.add(State(label), Replica("w", "c"), Span(0, 0))
    model = Model.of("web", evidence)
    found = find_nodes(model, {"peer": "10.0.0.1:4444"})
    assert [state.label for state in found.states] == ["Socket 10.0.0.1:4444"]
    found = find_nodes(model, {"peer": "10.0.0.1:5000"})
    assert [state.label for state in found.states] == ["Socket 10.0.0.1:{port}>*:80"]


def test_a_page_says_how_many_there_are() -> None:
    whole = find_nodes(MODEL, {})
    pages = [whole.page(at, 2) for at in range(0, len(whole.states), 2)]
    assert [state for page in pages for state in page.states] == list(whole.states)
    assert pages[0].notes == [f"2 of {len(whole.states)} nodes; --limit and --skip (limit=, skip=) show others"]
    assert (whole.page(0, 100), whole.page(), whole.notes) == (whole, whole, [])
    assert set(pages[0].edges) <= set(whole.edges)
    assert whole.edges == list(MODEL.transitions)
