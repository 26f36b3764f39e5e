"""Verdicts on a policy's matches: never `unseen` of what is there, never `seen` of what is not."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from policed import Worker, policy, verdicts

from agent.confirm import MAX_STATES, verdict_of
from agent.entry import Entry
from grammar.control import Question

SECRET = "WHERE f.path = '/srv/7777/secret'"


@pytest.mark.parametrize(
    "returned",
    ["DISTINCT p.name", "p.name LIMIT 1", "DISTINCT p.name, f.name ORDER BY p.name SKIP 1", "1 AS one"],
)
def test_deeds_that_return_makes_one_row_of_are_held_against_the_instances_one_by_one(
    tmp_path: Path, returned: str
) -> None:
    query = f"MATCH (p:Process)-[:USED]->(f:File) WHERE f.path IN ['/srv/7/a', '/srv/7/b'] RETURN {returned}"
    worker = Worker(tmp_path, policy("p", query))
    found = worker.opened("/srv/8/a").opened("/srv/7/b").opened("/srv/9/c").judged()
    assert {one.ends[1]: one.verdict for one in found} == {"File /srv/{int}/a": "unseen", "File /srv/{int}/b": "seen"}


def test_parts_of_a_union_are_deeds_of_their_own(tmp_path: Path) -> None:
    query = (
        "MATCH (p:Process)-[:USED]->(f:File {path: '/srv/7/a'}) RETURN p.name AS name UNION "
        "MATCH (p:Process)-[:USED]->(f:File {path: '/srv/7/b'}) RETURN p.name AS name"
    )
    found = Worker(tmp_path, policy("p", query)).opened("/srv/8/a").opened("/srv/7/b").judged()
    assert sorted(one.verdict for one in found) == ["seen", "unseen"]


@pytest.mark.parametrize(("files", "verdict"), [(3, "seen"), (2, "unseen")])
def test_a_group_is_counted_among_the_instances_whatever_stands_at_its_ends(
    tmp_path: Path, files: int, verdict: str
) -> None:
    query = "MATCH (p:Process)-[:USED]->(f:File) WITH p, count(DISTINCT f) AS n WHERE n >= 3 RETURN p.name, n"
    worker = Worker(tmp_path, policy("many", query))
    for name in ("/b/x", "/a/x", "/c/x")[:files]:
        worker.opened(name)
    found = worker.judged()
    assert verdicts(found) == [("many", verdict)]
    assert found[0].ends == ("Process p100 /bin/p100",) * 2
    for name in ("/0/x", "/zz/x") if verdict == "seen" else ():
        assert worker.opened(name).judged() == ()  # the group grows: it is the same deed


def test_what_is_absent_at_the_rim_only_is_not_seen(tmp_path: Path) -> None:
    """The rim of what is looked at has neighbours that are not in it: there everything looks absent."""
    query = (
        "MATCH (p:Process)-[:USED]->(f:File) WHERE f.path ENDS WITH '/x' "
        "AND NOT (p)-[:USED]->(:File {path: '/srv/7/key'}) RETURN p.name"
    )
    worker = Worker(tmp_path, policy("keyless", query))
    worker.opened("/srv/7/key", pid=100).opened("/srv/9/x", pid=100)
    assert verdicts(worker.judged()) == [("keyless", "unseen")]
    worker.opened("/srv/8/key", pid=200).opened("/srv/9/x", pid=200)
    found = {one.ends[0].split()[1]: one.verdict for one in worker.judged()}
    assert found["p200"] == "seen"
    assert found.get("p100", "unseen") == "unseen"


def test_bytes_that_are_no_text_are_found_and_can_be_sent(tmp_path: Path) -> None:
    query = "MATCH (p:Process)-[:USED]->(f:File) WHERE f.name STARTS WITH 'x' RETURN p.name"
    found = Worker(tmp_path, policy("odd", query)).opened("/srv/7/x\udcff").judged()
    assert verdicts(found) == [("odd", "seen")]
    assert Entry.unpack(Entry(0, 1, findings=found).pack()).findings == found


def test_a_policy_that_fails_on_a_value_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = "MATCH (p:Process)-[:USED]->(f:File) WHERE substring(p.name, -1) = 'a' RETURN p.name"
    good = f"MATCH (p:Process)-[:USED]->(f:File) {SECRET} RETURN p.name"
    worker = Worker(tmp_path, policy("bad", bad), policy("good", good))
    assert verdicts(worker.opened("/srv/7777/secret").judged()) == [("good", "seen")]
    worker.opened("/srv/7777/other").judged()
    assert worker.police.counts["failed"] == 2
    assert caplog.text.count("a policy fails here") == 1
    question = Question(b"q", "host", (("File /srv/{int}/secret", ()),), container="host", policy=bad, ends=("a", "b"))
    assert verdict_of(worker.store, question, 1.0).verdict == "open"


def test_of_more_states_than_are_looked_at_nobody_says_unseen(tmp_path: Path) -> None:
    query = f"MATCH (p:Process)-[:USED]->(f:File) {SECRET} RETURN p.name"
    worker = Worker(tmp_path)
    worker.opened("/srv/8888/secret").judged()
    states = tuple((f"File /x/{number}", ()) for number in range(MAX_STATES))
    question = Question(b"q", "host", states, container="host", policy=query, ends=("a", "b"))
    assert verdict_of(worker.store, question, 1.0).verdict == "unseen"
    more = msgspec.structs.replace(question, states=(*states, ("File /y", ())))
    assert verdict_of(worker.store, more, 1.0).verdict == "open"


def test_what_has_been_dropped_may_have_been_it(tmp_path: Path) -> None:
    found: list[set[str]] = []
    for number, dropped in enumerate((0, 1)):
        worker = Worker(tmp_path / str(number), policy("p", f"MATCH (p)-[:USED]->(f:File) {SECRET} RETURN p.name"))
        worker.store.dropped = dropped
        found.append({one.verdict for one in worker.opened("/srv/8888/secret").judged()})
        found.append({one.verdict for one in worker.opened("/srv/7777/secret", pid=200).judged()})
    assert found == [{"unseen"}, {"unseen", "seen"}, set(), {"seen"}]  # of what nobody can tell nothing is told


def test_who_has_no_time_leaves_it_to_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = f"MATCH (p:Process)-[:USED]->(f:File) {SECRET} RETURN p.name"
    worker = Worker(tmp_path, policy("p", query))
    monkeypatch.setattr("agent.police.LOOK", 0.0)
    worker.opened("/srv/8888/secret", pid=200).judged()
    assert worker.opened("/srv/8888/secret", pid=300).judged() == ()
    states = (("File /srv/{int}/secret", ()),)
    ends = ("Process p200 /bin/p200", "File /srv/{int}/secret")
    question = Question(b"q", "host", states, container="host", policy=query, ends=ends)
    assert worker.store.answer(question).verdict == "unseen"


def test_a_query_without_end_that_is_late_ends(tmp_path: Path) -> None:
    query = "MATCH (a)-[*]-(b)-[*]-(c)-[*]-(d) WHERE a.name + b.name = c.name + d.name + 'x' RETURN a.name"
    worker = Worker(tmp_path)
    for number in range(60):
        worker.opened(f"/srv/{number}/x", pid=100 + number % 4)
    worker.judged()
    states = (("File /srv/{int}/x", ()),)
    question = Question(b"q", "host", states, container="host", policy=query, ends=("a", "b"))
    began = time.monotonic()
    assert verdict_of(worker.store, question, 0.5).verdict in ("open", "unseen")
    assert time.monotonic() - began < 5


def test_what_turns_round_at_something_older_is_found_across_segments(tmp_path: Path) -> None:
    """Whoever reads what another has read before: that edge lies in a segment before all that is asked about."""
    query = (
        "MATCH (p:Process {name: 'p200'}) WHERE NOT EXISTS "
        "{ MATCH (p)-[:USED]->(f:File)<-[:USED]-(q:Process {name: 'p100'}) WHERE f.path = '/srv/7/x' } RETURN p.name"
    )
    worker = Worker(tmp_path, policy("first", query))
    worker.opened("/srv/7/x", pid=100).judged()
    assert verdicts(worker.opened("/srv/7/x", pid=200).judged()) == [("first", "unseen")]
