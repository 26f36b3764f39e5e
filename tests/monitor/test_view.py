"""A view answers what policies ask; restricted to a replica it holds that replica's deeds and no others."""

import pytest
from playbook import APACHE, CURL, SH, connects, reads, runs

from grammar import Evidence, Model, Replica, Span, State, Transition
from monitor.view import Shown, View
from policies.text import Text

ONE, TWO = Replica("w1", "web1"), Replica("w2", "web2")


@pytest.fixture
def model() -> Model:
    evidence = Evidence()
    for replica, transition in (
        (ONE, runs(SH, CURL)),
        (ONE, reads(CURL, "/x")),
        (TWO, connects(APACHE, "10.0.0.1:80")),
    ):
        evidence.add(transition, replica, Span(0, 0))
    evidence.add(State("File /lone"), TWO, Span(0, 0))
    evidence.command(State(CURL), "curl -s")
    return Model.of("web", evidence)


def labels(view: View) -> set[str]:
    return {view.label(node) for node in view.nodes()}


def test_a_replica_sees_its_own_deeds_only(model: Model) -> None:
    assert labels(View(model, ONE)) == {SH, CURL, "File /x"}
    assert labels(View(model, TWO)) == {APACHE, "Socket 10.0.0.1:80", "File /lone"}
    assert labels(View(model)) == labels(View(model, ONE)) | labels(View(model, TWO))
    assert list(View(model, Replica("w9", "nobody")).nodes()) == []


def test_every_edge_is_seen_from_both_ends(model: Model) -> None:
    view = View(model)
    forward = {edge for node in view.nodes() for edge in view.causes(node)}
    assert forward == {edge for node in view.nodes() for edge in view.effects(node)}
    assert len(forward) == len(model.transitions)


def test_properties_are_the_labels_with_an_example_command_beside(model: Model) -> None:
    view = View(model, states=True)
    (node,) = (model.ids[state] for state in model.states if state == State(CURL))
    told = {"name": "curl", "exe": "/usr/bin/curl"}
    assert (view.labels(node), view.properties(node)) == (("Process",), told | {"command": "curl -s"})
    assert View(model).properties(node) == told | {"command": Text.of("{any}")}  # of all that the state stands for
    assert view.properties(node) is view.properties(node)


def test_what_is_shown_follows_the_model(model: Model) -> None:
    shown = Shown(model)
    news = Evidence()
    news.add(Transition(State("File /y"), "WAS_GENERATED_BY", "write", State(CURL)), TWO, Span(0, 0))
    grown = model | news
    followed, made = shown.following(grown, news), Shown(grown)
    assert followed is shown
    assert (followed.holders, followed.edges) == (made.holders, made.edges)
    for node in made.states:
        assert sorted(followed.causes.get(node, [])) == sorted(made.causes.get(node, []))


def test_a_pattern_that_renames_old_states_makes_it_anew() -> None:
    evidence, news = Evidence(), Evidence()
    evidence.add(Transition(State("File /d/a1"), "WAS_GENERATED_BY", "write", State(SH)), ONE, Span(0, 0))
    shown = Shown(Model.of("web", evidence))
    news.learned.add("File /d/a{int}")
    grown = shown.model | news
    followed = shown.following(grown, news)
    assert followed is not shown
    assert {state.label for state in followed.states.values()} == {"File /d/a{int}", SH}
