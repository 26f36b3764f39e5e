"""A view answers what policies ask; restricted to a replica it holds that replica's deeds and no others."""

import pytest
from playbook import APACHE, CURL, SH, connects, reads, runs

from grammar import Evidence, Model, Replica, Span, State
from monitor.view import View

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
    return {view.model.by_id[node].label for node in view.nodes()}


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
    view = View(model)
    (node,) = (model.ids[state] for state in model.states if state == State(CURL))
    assert (view.kind(node), view.properties(node)) == (
        "Process",
        {"name": "curl", "exe": "/usr/bin/curl", "command": "curl -s"},
    )
    assert view.properties(node) is view.properties(node)
