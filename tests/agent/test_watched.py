"""Matches that were not real when the model had them: what makes one real later is no news, and is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from policed import Worker, policy, verdicts

from agent.watched import MAX_WATCHED

READ = "MATCH (p:Process)-[:USED]->(f:File) WHERE f.path = '/srv/7777/secret' RETURN p.name, f.path"


def test_a_later_instance_of_what_was_dismissed_is_found_without_news(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    assert verdicts(worker.opened("/srv/8888/secret").judged()) == [("secret", "unseen")]
    assert {verdict for _, verdict in verdicts(worker.opened("/srv/9999/secret").judged())} <= {"unseen"}
    for number in range(5):
        assert {one.verdict for one in worker.opened(f"/srv/{number}/secret").judged()} <= {"unseen"}
    found = [one for _ in range(7) for one in worker.opened("/srv/7777/secret").judged()]
    assert verdicts(found) == [("secret", "seen")]
    assert found[0].instances[-1].name == "/srv/7777/secret"
    assert worker.opened("/srv/7777/secret").judged() == ()
    assert len(worker.police.watches) == 0


def test_an_edge_between_old_vertices_is_looked_at_too(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    worker.opened("/srv/7777/secret", pid=200).opened("/srv/8888/secret", pid=100).judged()
    assert len(worker.police.watches) == 1
    (found,) = worker.opened("/srv/7777/secret", pid=100).judged()
    assert (found.ends[0], found.verdict) == ("Process p100 /bin/p100", "seen")


def test_looking_again_gets_rarer_and_nothing_is_missed_for_it(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    worker.opened("/srv/8888/secret").judged()
    looked = []
    for number in range(24):
        before = worker.police.counts["looked"]
        assert {verdict for _, verdict in verdicts(worker.opened(f"/srv/{number}/secret").judged())} <= {"unseen"}
        looked.append(worker.police.counts["looked"] - before)
    assert sum(looked[6:]) <= 6 <= sum(looked) <= 12
    worker.opened("/srv/7777/secret")
    found = [one for _ in range(7) for one in worker.judged()]
    assert verdicts(found) == [("secret", "seen")]


def test_what_does_nothing_is_not_looked_at(tmp_path: Path) -> None:
    worker = Worker(tmp_path, policy("secret", READ))
    worker.opened("/srv/8888/secret").judged()
    looked = worker.police.counts["looked"]
    for number in range(5):
        worker.opened(f"/opt/other/{number}x", pid=300).judged()
    assert worker.police.counts["looked"] == looked


def test_what_is_watched_is_bounded_and_goes_with_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.watched.MAX_WATCHED", 2)
    worker = Worker(tmp_path, policy("secret", READ))
    for pid in (100, 200, 300):
        worker.opened("/srv/8888/secret", pid=pid)
    worker.judged()
    assert (len(worker.police.watches), worker.police.watches.dropped) == (2, 1)
    worker.police.obey((("none", "nonsense"),))
    assert len(worker.police.watches) == 0
    assert MAX_WATCHED > 2
