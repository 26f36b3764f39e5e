"""Versions, units, contexts: a vertex that has passed something on is final."""

from __future__ import annotations

import pytest
from lines import Graph

from agent import upg
from agent.upg import EDGE, KINDS_OF_EDGE, Actor, Artifact, Clock, Scope, States

READ, WRITE, RECV = EDGE["USED", "read"], EDGE["WAS_GENERATED_BY", "write"], EDGE["USED", "recv"]
FORK, KILL = EDGE["WAS_TRIGGERED_BY", "fork"], EDGE["WAS_TRIGGERED_BY", "kill"]


class Small:
    """One scope with two processes and two files."""

    def __init__(self) -> None:
        self.graph, self.states = Graph(), States()
        self.scope = Scope("app", "c1", self.states, Clock(), self.graph)
        self.p, self.q = self.actor("P"), self.actor("Q")
        self.f, self.g = (Artifact("File", f"File {name}", f"{name}#1") for name in ("/f", "/g"))

    def actor(self, label: str) -> Actor:
        return Actor(label, (), label, self.scope.vertex(label, (), label))

    def versions(self, label: str) -> int:
        return sum(known == label for known in self.graph.labels.values())

    def edges(self) -> list[tuple[str, str, str]]:
        labels = self.graph.labels
        return [(labels[effect], operation, labels[cause]) for effect, _, operation, cause, _ in self.graph.edges]


def test_what_learns_before_it_passes_anything_on_stays_itself() -> None:
    small = Small()
    small.scope.take(small.f, small.p, READ)
    small.scope.take(small.g, small.p, READ)
    assert small.versions("P") == 1


def test_what_learns_after_having_passed_on_is_a_new_version_and_only_then() -> None:
    small = Small()
    for _ in range(3):
        small.scope.take(small.f, small.p, READ)
        small.scope.give(small.g, small.p, WRITE)
    assert small.versions("P") == 1
    small.scope.take(Artifact("File", "File /h", "/h#1"), small.p, READ)
    assert small.versions("P") == 2
    assert ("P", "version", "P") in small.edges()


def test_a_file_that_has_been_read_and_is_written_again_is_a_new_version() -> None:
    small = Small()
    small.scope.give(small.f, small.p, WRITE)
    small.scope.give(small.f, small.q, WRITE)
    assert small.versions("File /f") == 1
    small.scope.take(small.f, small.q, READ)
    small.scope.give(small.f, small.actor("R"), WRITE)
    assert small.versions("File /f") == 2
    assert ("File /f", "version", "File /f") in small.edges()


def test_the_same_transfer_again_is_nothing_and_another_operation_is_an_edge() -> None:
    small = Small()
    for kind in (READ, READ, RECV, RECV):
        small.scope.take(small.f, small.p, kind)
    assert small.edges() == [("P", "read", "File /f"), ("P", "recv", "File /f")]


def test_ones_own_words_are_nothing_new_until_somebody_adds_to_them() -> None:
    small = Small()
    small.scope.give(small.f, small.p, WRITE)
    small.scope.take(small.f, small.p, READ)
    assert small.edges() == [("File /f", "write", "P")]
    small.scope.give(small.f, small.q, WRITE)
    small.scope.take(small.f, small.p, READ)
    assert ("P", "read", "File /f") in small.edges()


def test_what_was_there_before_the_log_is_nobodys_own() -> None:
    small = Small()
    small.f.blank = False
    small.scope.give(small.f, small.p, WRITE)
    small.scope.take(small.f, small.p, READ)
    assert ("P", "read", "File /f") in small.edges()


def test_an_inert_artifact_never_gives_what_it_was_given() -> None:
    small = Small()
    small.f.inert = True
    small.scope.give(small.f, small.p, WRITE)
    small.scope.take(small.f, small.q, READ)
    assert {("File /f", "write", "P"), ("Q", "read", "File /f")} == set(small.edges())
    assert small.versions("File /f") == 2


def test_a_renamed_file_takes_its_content_and_who_holds_it_along() -> None:
    small = Small()
    small.scope.give(small.f, small.p, WRITE)
    small.scope.rename(small.f, "File /new", "/new#2", small.q, EDGE["WAS_GENERATED_BY", "rename"])
    small.scope.take(small.f, small.q, READ)
    assert small.edges() == [("File /f", "write", "P"), ("File /new", "rename", "File /f"), ("Q", "read", "File /new")]


def test_a_derived_file_has_both_pasts() -> None:
    small = Small()
    small.scope.give(small.f, small.p, WRITE)
    small.scope.give(small.g, small.q, WRITE)
    small.scope.derive(small.g, small.f, small.p, EDGE["WAS_GENERATED_BY", "link"])
    assert {("File /g", "version", "File /g"), ("File /g", "link", "File /f")} <= set(small.edges())


def test_triggering_oneself_is_nothing_and_another_a_cause() -> None:
    small = Small()
    small.scope.trigger(small.p, KILL, small.p.vertex)
    small.scope.trigger(small.p, KILL, small.q.vertex)
    small.scope.trigger(small.p, KILL, small.q.vertex)
    assert small.edges() == [("P", "kill", "Q")]
    assert small.q.vertex.sealed


def test_a_state_is_a_label_with_its_history_told_when_it_passes_something_on() -> None:
    small = Small()
    small.scope.take(small.f, small.p, READ)
    assert not small.p.vertex.sealed
    small.scope.take(small.g, small.p, READ)
    small.scope.give(Artifact("File", "File /out", "/out#1"), small.p, WRITE)
    bits = small.states.histories.bit
    known = bits("File /f") | bits("File /g")
    assert small.p.vertex.history == known
    assert small.states.states[small.p.vertex.state] == ("P", small.states.histories.context("P", (), known))


def test_two_processes_with_one_history_are_one_state_and_with_two_histories_two() -> None:
    small = Small()
    small.scope.take(small.f, small.p, READ)
    small.scope.take(small.f, small.q, READ)
    other = Actor("P", (), "P2", small.scope.vertex("P", (), "P2"))
    third = Actor("P", (), "P3", small.scope.vertex("P", (), "P3"))
    small.scope.take(small.f, other, READ)
    small.scope.take(small.g, third, READ)
    small.scope.flush()
    assert other.vertex.state == small.p.vertex.state != third.vertex.state
    assert small.scope.counts[other.vertex.state] == 2


def test_what_was_told_does_not_learn_any_more() -> None:
    small = Small()
    small.scope.take(small.f, small.p, READ)
    told = small.p.vertex
    small.scope.flush()
    small.scope.take(small.g, small.p, READ)
    assert small.p.vertex is not told
    assert ("P", "version", "P") in small.edges()


def test_open_vertices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upg, "MAX_OPEN", 8)
    small = Small()
    for number in range(100):
        small.scope.take(small.f, small.actor(f"O{number}"), READ)
        assert len(small.scope.open) <= 8


def test_a_state_rises_at_every_fourfold() -> None:
    small = Small()
    risen = []
    for number in range(1, 70):
        small.scope.take(small.f, Actor("R", (), "R", small.scope.vertex("R", (), "R")), READ)
        small.scope.flush()
        risen += [number] * bool(small.scope.risen)
        small.scope.risen.clear()
    assert set(risen) >= {4, 16, 64}
    assert len(risen) == 3


def test_memory_of_causes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upg, "MAX_KNOWN", 8)
    small = Small()
    for number in range(100):
        other = small.actor(f"O{number}")
        small.scope.trigger(small.p, KILL, other.vertex)
        small.scope.give(small.f, other, WRITE)
        small.scope.take(Artifact("File", "File /x", f"/x#{number}"), small.q, READ)
        assert max(len(small.p.known), len(small.f.known), len(small.q.known)) <= 8


def test_forgotten_givers_are_not_taken_for_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound an artifact forgets who gave to it: the last giver must still learn from the rest."""
    monkeypatch.setattr(upg, "MAX_KNOWN", 2)
    small = Small()
    for actor in (small.q, small.actor("R"), small.p):
        small.scope.give(small.f, actor, WRITE)
    small.scope.take(small.f, small.p, READ)
    assert ("P", "read", "File /f") in small.edges()


def test_seen_transitions_are_fresh_once() -> None:
    small = Small()
    small.scope.take(small.f, small.p, READ)
    small.scope.flush()
    small.scope.fresh.clear()
    other = Actor("P", (), "P2", small.scope.vertex("P", (), "P2"))
    small.scope.take(small.f, other, READ)
    small.scope.flush()
    assert small.scope.fresh == []
    assert small.scope.edges == 2


def test_every_edge_kind_has_one_number() -> None:
    assert [EDGE[pair] for pair in KINDS_OF_EDGE] == list(range(len(KINDS_OF_EDGE)))


def test_a_flood_of_names_is_told_by_its_kind_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upg, "MAX_STATES", 10)
    small = Small()
    small.scope.recorder = None  # the test's own checks that a vertex's state has its label
    for number in range(100):
        small.scope.take(Artifact("File", f"File /flood/{number}", f"/flood/{number}#1"), small.p, READ)
    small.scope.flush()
    assert len(small.states.states) <= 10 + 3  # and one for each kind
    assert ("File {any}", ()) in small.states.states
    assert small.states.beyond > 80


def test_a_flood_of_transitions_is_counted_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upg, "MAX_SEEN", 10)
    small = Small()
    for number in range(100):
        small.scope.take(Artifact("File", f"File /flood/{number}", f"/flood/{number}#1"), small.p, READ)
    small.scope.flush()
    assert len(small.scope.seen) == len(small.scope.fresh) == 10
    assert small.scope.beyond == 90
