"""Who ran where when: told twice is once, an end becomes known, old runs of a worker go first."""

from __future__ import annotations

from pathlib import Path

import pytest

from grammar.envelope import Run
from monitor import schedule as room
from monitor.schedule import Life, Schedule
from monitor.store import Store


@pytest.fixture
def schedule(tmp_path: Path) -> Schedule:
    return Schedule(Store(tmp_path, create=True))


def note(schedule: Schedule, worker: str, *runs: Run) -> None:
    with schedule.store.transaction():
        schedule.note(worker, runs)


def test_a_container_that_moved_is_found_on_both_workers(schedule: Schedule) -> None:
    note(schedule, "w1", Run("web", "id1", "shop", "httpd", 10, 0))
    note(schedule, "w1", Run("web", "id1", "shop", "httpd", 10, 20))
    note(schedule, "w1", Run("web", "id1", "shop", "httpd", 10, 0))
    note(schedule, "w2", Run("web", "id2", "shop", "httpd", 25, 0))
    assert schedule.find(container="web") == [
        Life("w2", "web", "id2", "shop", "httpd", 25, 0),
        Life("w1", "web", "id1", "shop", "httpd", 10, 20),
    ]
    assert schedule.workers(["web"]) == {"w1", "w2"}
    assert schedule.workers(["id1", "other"]) == {"w1"}
    assert [one.worker for one in schedule.find(app="shop", at=15)] == ["w1"]
    assert [one.worker for one in schedule.find(at=1_000)] == ["w2"]
    assert schedule.find(worker="w3") == []


def test_old_runs_go_first(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 5)
    note(schedule, "w2", Run("c", "other", "", "", 1, 0))
    for number in range(1, 20):
        note(schedule, "w1", Run("c", f"id{number}", "a" * 5_000, "", number, 0))
    assert sorted(one.start for one in schedule.find(worker="w1")) == [15, 16, 17, 18, 19]
    assert len(schedule.find(worker="w1")[0].app) == room.MAX_TEXT
    assert len(schedule.find(worker="w2")) == 1
