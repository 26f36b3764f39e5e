"""A run finds every match in which something is new, whole, and says how sure each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from playbook import APACHE, CURL, EPOCH, SH, Cluster, connects, policy, reads, runs
from rich.console import Console

from grammar.control import Question
from monitor.policies_run import Report, Window, open_questions, question_for, run_policies, settled
from monitor.render_policies import show_report
from policies.evaluate import POLICY_LIMITS
from policies.limits import Limits
from policies.policy import Policy

CERTAIN = "MATCH (p:Process {name: 'sh'})-[:WAS_TRIGGERED_BY]->(a:Process {name: 'apache2'}) RETURN p.name AS name"
PATH = "MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p.name AS name"
ABSENT = "MATCH (p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) WHERE NOT (:Socket)-->(p) RETURN p.name AS name"
ALL = Window()


def asked(web: Cluster, query: str | Policy, window: Window = ALL, limits: Limits = POLICY_LIMITS) -> Report:
    one = policy(query) if isinstance(query, str) else query
    return run_policies([web.monitor.apps["web"].model], [one], window, limits)


def told(report: Report) -> list[tuple[str, str]]:
    return [(one.replica.container, one.certainty) for one in report.found]


@pytest.fixture
def web(cluster: Callable[..., Cluster]) -> Cluster:
    """Replica 1 reads at 1,000,000, and connects an epoch later; replica 2 starts a shell an epoch after that."""
    found = cluster(2)
    found.epoch({1: (reads(CURL, "/etc/shadow"),)})
    found.epoch({1: (connects(CURL, "10.0.0.1:80"),)})
    found.epoch({2: (runs(APACHE, SH),)})
    return found


def test_what_labels_prove_is_certain_the_rest_possible(web: Cluster) -> None:
    assert told(asked(web, CERTAIN)) == [("web2", "certain")]
    assert told(asked(web, PATH)) == [("web1", "possible")]


def test_a_match_counts_if_something_of_it_is_new(web: Cluster) -> None:
    begin = 1_000_000
    assert told(asked(web, PATH, Window(since=begin + EPOCH))) == [("web1", "possible")]
    assert told(asked(web, PATH, Window(since=begin + 2 * EPOCH))) == []
    assert asked(web, PATH).found[0].last == begin + EPOCH


def test_what_came_later_is_not_there(web: Cluster) -> None:
    begin = 1_000_000
    assert told(asked(web, PATH, Window(until=begin + EPOCH - 1))) == []
    assert told(asked(web, PATH, Window(until=begin + EPOCH))) == [("web1", "possible")]
    assert told(asked(web, ABSENT, Window(until=begin))) == [("web1", "certain")]
    assert told(asked(web, ABSENT)) == [("web1", "possible")]


def test_applications_are_left_out_as_policies_say(web: Cluster) -> None:
    assert told(asked(web, replace(policy(CERTAIN), applications=("!web",)))) == []


def test_a_limit_is_said_and_hides_nothing(web: Cluster) -> None:
    report = asked(web, "MATCH (a), (b), (c) RETURN a.name AS name", limits=Limits(rows=5))
    assert report.found
    assert "cut by a limit" in report.cut[0]
    assert "cut short: " in show(report)


@pytest.mark.parametrize(
    ("verdict", "expected", "dismissed"),
    [
        ("seen", [("web1", "possible, seen")], 0),
        ("unseen", [], 1),
        ("open", [("web1", "possible, not confirmed")], 0),
        (None, [("web1", "possible, not confirmed")], 0),
    ],
)
def test_the_worker_s_word_settles_it(
    web: Cluster, verdict: str | None, expected: list[tuple[str, str]], dismissed: int
) -> None:
    report = asked(web, PATH)
    ((key, group),) = open_questions(report)
    question = question_for(b"id", group)
    assert isinstance(question, Question)
    assert (question.container, question.policy) == ("web1", PATH)
    assert question.ends == ("Socket 10.0.0.1:80", "File /etc/shadow")
    assert {label for label, _ in question.states} == {CURL, *question.ends}
    after = settled(report, {key: verdict})
    assert (told(after), after.dismissed) == (expected, dismissed)


def test_certain_matches_are_asked_about_by_nobody(web: Cluster) -> None:
    assert list(open_questions(asked(web, CERTAIN))) == []


def show(report: Report) -> str:
    page = Console(file=StringIO(), width=100)
    page.print(show_report(report, "table"))
    assert isinstance(page.file, StringIO)
    return page.file.getvalue()


def test_a_table_and_json_tell_the_same(web: Cluster) -> None:
    report = asked(web, PATH)
    assert "possible" in show(report)
    assert "name=curl" in show(report)
    (one,) = report.value()["matches"]  # type: ignore[misc]
    assert (one["certainty"], one["row"], one["worker"]) == ("possible", {"name": "curl"}, "w1")
    assert show(Report()) == "no match\n"
