"""Alarms: what the labels prove is told, what they only allow is settled by the worker that holds the instances."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import APACHE, CURL, SH, Cluster, connects, envelope, policy, reads, runs, shows

from grammar import Replica
from grammar.finding import Finding, Instance, Verdict
from monitor.pending import Pending

CERTAIN = "MATCH (p:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN p.name AS name"
ONE_EDGE = "MATCH (p:Process)-[:USED]->(f:File) WHERE f.path = '/srv/7/x' RETURN f.path AS path"
PATH = "MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p.name AS name"
THEFT = (reads(CURL, "/etc/shadow"), connects(CURL, "10.0.0.1:80"))
ENDS = ("Socket 10.0.0.1:80", "File /etc/shadow")


def found(verdict: Verdict, ends: tuple[str, str] = ENDS) -> Finding:
    seen = (Instance(1, "web1", CURL, "7@1", "curl -T /etc/shadow", 7),) if verdict == "seen" else ()
    return Finding("test-policy", "web", "web1", ends, verdict, 0, seen)


def test_what_labels_prove_needs_no_worker(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(CERTAIN),))
    web.epoch({1: (runs(APACHE, SH),)})
    assert [(one.certainty, one.confirmed, one.row) for one in web.alerts] == [("certain", "", {"name": "sh"})]
    assert web.settle("unseen") == []


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("seen", [("possible", "worker")]), ("unseen", []), ("open", [("possible", "unanswered")])],
)
def test_the_worker_s_finding_travels_with_the_epoch(
    cluster: Callable[..., Cluster], verdict: Verdict, expected: list[tuple[str, str]]
) -> None:
    web = cluster(1, (policy(PATH),))
    web.monitor.receive(envelope("w1", 0, {"web": shows("web1", *THEFT)}, findings=(found(verdict),)))
    assert [(one.certainty, one.confirmed) for one in web.alerts] == expected
    assert web.monitor.alarms.dismissed == ({"test-policy": 1} if verdict == "unseen" else {})
    assert web.settle("seen") == []  # nobody need be asked
    if verdict == "seen":
        assert web.alerts[0].summary == ("curl pid 7: curl -T /etc/shadow",)


def test_without_a_finding_the_worker_is_asked_and_only_that_one(cluster: Callable[..., Cluster]) -> None:
    web = cluster(2, (policy(PATH),))
    web.epoch({1: THEFT})
    (waiting,) = web.monitor.alarms.pending.waiting.values()
    question = waiting.question
    assert (waiting.alert.worker, question.container, question.ends) == ("w1", "web1", ENDS)
    assert {label for label, _ in question.states} == {CURL, *ENDS}
    assert question.policy == PATH
    web.settle("unseen")
    assert web.alerts == []
    web.epoch({1: (reads(CURL, "/etc/passwd"),)})  # more of the same process: the match is near, and asked about again
    web.settle("seen")
    assert [one.confirmed for one in web.alerts] in (["worker"], [])


def test_a_worker_that_does_not_answer_is_asked_again_and_then_the_alert_says_so(
    cluster: Callable[..., Cluster],
) -> None:
    web = cluster(1, (policy(PATH),))
    web.epoch({1: THEFT})
    for _ in range(2):
        assert web.settle(None) == ["web1"]
        assert web.alerts == []
    assert web.settle(None) == ["web1"]
    assert [(one.certainty, one.confirmed) for one in web.alerts] == [("possible", "unanswered")]
    assert web.settle(None) == []


def test_a_monitor_that_is_killed_asks_again(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(PATH),))
    web.epoch({1: THEFT})
    web.restart()
    assert web.settle("seen") == ["web1"]
    assert [one.confirmed for one in web.alerts] == ["worker"]
    web.restart()
    assert web.settle("seen") == []
    assert Pending(web.monitor.store).waiting == {}
    web.epoch({1: THEFT})
    assert len(web.alerts) == 1


def test_a_pattern_of_the_model_is_possible_and_its_literal_certain(cluster: Callable[..., Cluster]) -> None:
    web = cluster(2, (policy(ONE_EDGE),))
    web.epoch({1: (reads(SH, "/srv/{int}/x"),), 2: (reads(SH, "/srv/{int}/y"),)})
    assert web.settle("seen") == ["web1"]
    assert [(one.certainty, one.container) for one in web.alerts] == [("possible", "web1")]
    assert web.alerts[0].row == {"path": "/srv/{int}/x"}


def test_who_waits_is_bounded_and_nothing_is_lost_for_it(
    cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.pending.MAX_WAITING", 1)
    web = cluster(2, (policy(PATH),))
    web.epoch({1: THEFT, 2: THEFT})
    assert [(one.container, one.confirmed) for one in web.alerts] == [("web2", "unanswered")]
    assert web.settle("seen") == ["web1"]
    assert {one.worker for one in web.alerts} == {"w1", "w2"}


def test_policies_apply_to_their_applications_only(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(CERTAIN),))
    shown = web.monitor.alarms
    web.epoch({1: (runs(APACHE, SH),)})
    assert {Replica(one.worker, one.container) for one in web.alerts} == {Replica("w1", "web1")}
    assert shown.policies[0].applies_to("web")
