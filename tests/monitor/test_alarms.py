"""Alarms: what the labels prove is told, what they only allow is settled by the worker that holds the instances."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from playbook import APACHE, CURL, SH, Cluster, connects, envelope, policy, reads, runs, shows

from grammar import CodecError, Delta, Replica, Sighting, State
from grammar.finding import MAX_UNITED, Finding, Instance, Verdict
from monitor.pending import Pending

CERTAIN = "MATCH (p:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN p.name AS name"
ONE_EDGE = "MATCH (p:Process)-[:USED]->(f:File) WHERE f.path = '/srv/7/x' RETURN f.path AS path"
PATH = "MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p.name AS name"
THEFT = (reads(CURL, "/etc/shadow"), connects(CURL, "10.0.0.1:80"))
ONE_PATTERN = "File /srv/{int}/x{int}.y"
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


def heard(web: Cluster, *findings: Finding, sequence: int = 1, worker: str = "w1") -> None:
    """A heartbeat that has findings."""
    web.monitor.receive(envelope(worker, sequence, {}, start=20_000, findings=findings))


def test_what_is_real_by_now_is_told_without_news(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(PATH),))
    web.monitor.receive(envelope("w1", 0, {"web": shows("web1", *THEFT)}, findings=(found("unseen"),)))
    assert web.alerts == []
    heard(web, found("seen"))
    assert [(one.certainty, one.confirmed) for one in web.alerts] == [("possible", "worker")]
    heard(web, found("seen"), sequence=2)
    assert len(web.alerts) == 1


@pytest.mark.parametrize("said", [("seen", "unseen"), ("unseen", "seen"), ("seen", "open")])
def test_labels_that_have_become_one_are_real_if_one_of_them_is(
    cluster: Callable[..., Cluster], said: tuple[Verdict, Verdict]
) -> None:
    web = cluster(1, (policy("MATCH (p:Process)-[:USED]->(f:File) WHERE f.path = '/srv/7/x1.y' RETURN f.path"),))
    news = {"web": Delta(shows("web1", reads(CURL, "/srv/{int}/x{int}.y")).sightings, {}, (ONE_PATTERN,))}
    told = tuple(found(one, (CURL, f"File /srv/{{int}}/x{n}.y")) for n, one in enumerate(said))
    web.monitor.receive(envelope("w1", 0, news, findings=told))
    assert [alert.confirmed for alert in web.alerts] == ["worker"]


@pytest.mark.parametrize(
    "change",
    [{"policy": "unknown"}, {"app": "other"}, {"container": "web2"}, {"ends": ("Socket x", "File " + "y" * 60_000)}],
    ids=["policy", "application", "container of another worker", "labels"],
)
@pytest.mark.parametrize("verdict", ["seen", "unseen"])
def test_a_worker_s_word_counts_for_its_own_containers_only(
    cluster: Callable[..., Cluster], change: dict[str, object], verdict: Verdict
) -> None:
    web = cluster(2, (policy(PATH),))
    web.epoch({1: THEFT, 2: THEFT})
    (waiting,) = {one.alert.worker: one for one in web.monitor.alarms.pending.waiting.values()}.keys() & {"w2"}
    hostile = tuple(msgspec.structs.replace(found(verdict), **change, time=n) for n in range(MAX_UNITED))
    heard(web, *hostile)
    assert web.alerts == []
    assert waiting == "w2"
    assert set(web.settle("seen")) == {"web1", "web2"}
    assert {(one.worker, one.confirmed) for one in web.alerts} == {("w1", "worker"), ("w2", "worker")}
    assert not web.monitor.alarms.dismissed


def test_more_findings_than_an_envelope_has_are_none(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(PATH),))
    with pytest.raises(CodecError, match="length"):
        heard(web, *(found("seen") for _ in range(MAX_UNITED + 1)), sequence=0)


def test_what_a_finding_shows_is_cut_to_measure(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(PATH),))
    instances = tuple(Instance(n, "web1", CURL, "7@1", "x" * 100_000, n) for n in range(64))
    long = msgspec.structs.replace(found("seen"), instances=instances)
    web.monitor.receive(envelope("w1", 0, {"web": shows("web1", *THEFT)}, findings=(long,)))
    assert len(web.alerts[0].encode()) < 100_000


@pytest.mark.parametrize("where", ["substring(p.name, -1) = 'a'", "toInteger(size(p.exe)) / 0 = 1"])
def test_a_policy_that_fails_stops_neither_the_others_nor_the_envelope(
    cluster: Callable[..., Cluster], where: str
) -> None:
    bad = policy(f"MATCH (p:Process {{name: 'sh'}})-[:WAS_TRIGGERED_BY]->(a) WHERE {where} RETURN p.name", "bad")
    web = cluster(1, (bad, policy(CERTAIN)))
    web.epoch({1: (runs(APACHE, SH),)})
    assert [one.policy for one in web.alerts] == ["test-policy"]
    assert web.monitor.lost["w1"] == {"policy_failed": 1}


def test_rows_that_distinct_makes_one_are_alerts_of_their_own(cluster: Callable[..., Cluster]) -> None:
    web = cluster(
        1, (policy("MATCH (p:Process)-[:USED]->(f:File) WHERE f.path STARTS WITH '/k' RETURN DISTINCT p.name"),)
    )
    web.epoch({1: (reads(CURL, "/k1x/a"), reads(CURL, "/k2x/b"))})
    (alert,) = web.alerts
    assert len(alert.deeds) == 2
    web.epoch({1: (reads(CURL, "/k3x/c"),)})
    assert len(web.alerts) == 2


def test_a_group_that_grows_is_one_deed(cluster: Callable[..., Cluster]) -> None:
    many = "MATCH (p:Process)-[:USED]->(f:File) WITH p, count(f) AS n WHERE n >= 2 RETURN p.name, n"
    web = cluster(1, (policy(many),))
    web.epoch({1: (reads(CURL, "/b/x"), reads(CURL, "/c/x"))})
    assert web.settle("seen") == ["web1"]
    for name in ("/a/x", "/d/x", "/0/x"):
        web.epoch({1: (reads(CURL, name),)})
        web.settle("seen")
    assert len(web.alerts) == 1


def test_a_state_alone_is_news_too(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy("MATCH (f:File {path: '/evil'}) RETURN f.path"),))
    alone = Delta((Sighting("web1", (), (State("File /evil"),)),))
    web.monitor.receive(envelope("w1", 0, {"web": alone}))
    assert [one.certainty for one in web.alerts] == ["certain"]


def test_of_more_states_than_a_worker_looks_at_it_is_told_one_more(
    cluster: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.alarms.MAX_STATES", 2)
    web = cluster(1, (policy(PATH),))
    web.epoch({1: THEFT})
    (waiting,) = web.monitor.alarms.pending.waiting.values()
    assert len(waiting.question.states) == 3
