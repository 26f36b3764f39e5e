"""What lies around: every way of the query's length, however its edges point; where a limit cuts it, it says so."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import RDWR, WRONLY
from policed import Worker

from agent.policy_graph import Properties, ScopeGraph
from grammar.control import Question, Reply

NAMES = st.sampled_from([f"/d/{name}/x" for name in "abcdef"])
CALLS = st.lists(st.tuples(NAMES, st.integers(100, 104), st.sampled_from((0, WRONLY, RDWR)), st.booleans()), min_size=1)


def everything(worker: Worker) -> Question:
    scope = worker.pipeline.node.scopes["host"]
    graph = ScopeGraph(scope, Properties(scope.states))
    return Question(b"", "host", tuple(graph.state(node) for node in graph.nodes()), limit=20_000, container="host")


def near(whole: Reply, asked: set[int], depth: int) -> set[int]:
    """By brute force: all that so many edges lead to, forwards and backwards."""
    found = set(asked)
    for _ in range(depth):
        found |= {end for link in whole.links if {link.effect, link.cause} & found for end in (link.effect, link.cause)}
    return found


@given(CALLS, st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_all_that_is_near_is_there_with_the_edges_between(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, int, int, bool]], depth: int, chosen: int
) -> None:
    worker = Worker(tmp_path_factory.mktemp("w"))
    for name, pid, flags, cut in calls:
        worker.opened(name, pid=pid, flags=flags)
        if cut:
            worker.judged()
    worker.judged()
    question = everything(worker)
    whole = worker.store.around(question, 16)
    state = question.states[chosen % len(question.states)]
    found = worker.store.around(msgspec.structs.replace(question, states=(state,), depth=depth), 16)
    asked = {instance.number for instance in found.instances if instance.asked}
    inside = {instance.number for instance in found.instances}
    assert asked
    assert near(whole, asked, depth) == inside
    reached = near(whole, asked, depth - 1)
    needed = {link for link in whole.links if {link.effect, link.cause} & reached}
    assert needed <= set(found.links) <= set(whole.links)
    assert not found.cut


def test_a_limit_is_said(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    for number in range(20):
        worker.opened(f"/d/{number}/x", pid=100)
    worker.judged()
    question = msgspec.structs.replace(everything(worker), limit=5)
    assert worker.store.around(question, 2).cut
    assert worker.store.around(everything(worker), 2, 0.0).cut
    assert not worker.store.around(everything(worker), 2).cut


def test_several_questions_of_one_moment_see_the_same(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.opened("/d/a/x").judged()
    worker.opened("/d/b/x", pid=200)
    worker.pipeline.node.tick()
    worker.pipeline.cut(worker.start, 10_000)
    question, still = everything(worker), worker.store.still()
    first = still.around(question, 2)
    assert first == worker.store.around(question, 2)
    worker.store.cut(worker.epochs)  # what was open is a segment now: it counts once
    again = still.around(question, 2)
    assert [one.name for one in again.instances] == [one.name for one in first.instances]
