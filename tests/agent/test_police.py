"""Policies at the worker: what an epoch adds is judged on abstracted states, and held against real instances."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import WRONLY
from policed import HEAD, Worker, policy, verdicts

from agent.confirm import verdict_of
from agent.police import Police
from agent.policy_graph import Properties, ScopeGraph
from grammar.control import Question

READ = "MATCH (p:Process)-[u:USED]->(f:File) WHERE f.path = '/srv/7777/secret' RETURN p.name, f.path"
SENT = (
    "MATCH (s:File)-[:WAS_GENERATED_BY]->(p:Process)-[u:USED]->(f:File) WHERE f.path STARTS WITH '/etc/' "
    "AND s.path STARTS WITH '/tmp/' RETURN p.name, f.path, s.path"
)


def test_what_abstraction_has_taken_away_is_looked_up_in_the_instances(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    assert verdicts(worker.opened("/srv/8888/secret").judged()) == [("secret", "unseen")]
    found = {one.ends: one for one in worker.opened("/srv/7777/secret", pid=200).judged()}
    assert {ends[0].split()[1]: one.verdict for ends, one in found.items()} == {"p100": "unseen", "p200": "seen"}
    seen = found["Process p200 /bin/p200", "File /srv/{int}/secret"].instances
    assert [one.name for one in seen if one.label.startswith("File")] == ["/srv/7777/secret"]
    assert seen[0].pid == 200


def test_a_path_of_the_model_that_no_process_has_gone_is_unseen(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("sent", SENT))
    worker.opened("/tmp/out", flags=WRONLY, pid=100)
    worker.opened("/etc/passwd", pid=200)
    assert worker.judged() == ()
    worker.opened("/etc/group", pid=300).opened("/tmp/copy", pid=300, flags=WRONLY)
    assert verdicts(worker.judged()) == [("sent", "seen")]


def test_what_was_seen_is_told_once_and_what_was_not_is_asked_again(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    assert verdicts(worker.opened("/srv/7777/secret").judged()) == [("secret", "seen")]
    assert worker.opened("/srv/7777/secret", flags=WRONLY).judged() == ()
    assert worker.police.counts["found"] == 1


def test_nothing_new_costs_nothing(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    worker.opened("/usr/lib/x").judged()
    looked = worker.police.counts["looked"]
    assert worker.opened("/usr/lib/x").judged() == ()
    assert worker.police.counts["looked"] == looked


def test_a_bad_policy_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    police = Police()
    police.obey((("bad.cypher", "nonsense"), ("good.cypher", HEAD.format("good") + READ)))
    assert [one.id for one in police.policies] == ["good"]
    assert "cannot be read" in caplog.text


def test_the_monitor_may_ask_for_a_verdict(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.opened("/srv/7777/secret").judged()
    graph = _graph(worker)
    states = tuple(graph.state(node) for node in graph.nodes())
    ends = ("Process p100 /bin/p100", "File /srv/{int}/secret")
    app = worker.pipeline.node.scopes["host"].app
    question = Question(b"q", app, states, container="host", policy=READ, ends=ends)
    assert worker.store.answer(question).verdict == "seen"
    other = Question(b"q", app, states, container="host", policy=READ.replace("7777", "6666"), ends=ends)
    assert verdict_of(worker.store, other, 1.0).verdict == "unseen"
    damaged = Question(b"q", app, states, container="host", policy="MATCH (", ends=ends)
    assert worker.store.answer(damaged).verdict == "open"


def test_a_grown_graph_is_the_one_made_anew(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    for number in range(12):
        worker.opened(f"/srv/{number % 5}x/file", pid=100 + number % 3, flags=number % 2).judged()
    kept, made = worker.police._graphs["host"][1], _graph(worker)
    assert sorted(kept.nodes()) == sorted(made.nodes())
    for node in made.nodes():
        assert sorted(kept.causes(node)) == sorted(made.causes(node))
        assert sorted(kept.effects(node)) == sorted(made.effects(node))
        assert kept.properties(node) == made.properties(node)


def _graph(worker: Worker) -> ScopeGraph:
    scope = worker.pipeline.node.scopes["host"]
    return ScopeGraph(scope, Properties(scope.states))
