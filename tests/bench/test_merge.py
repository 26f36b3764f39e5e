"""The merge bench: variation is there, order leaves no trace, and a merge that depends on it is an exit code."""

from __future__ import annotations

import random
from pathlib import Path

import merge
import pytest
from merge import broken, evidence_of, items_of, main, merged, orders, own, shuffled, written
from workload import Template, record

from grammar import Evidence, Item, Replica, Span

RECORDING = Path(__file__).resolve().parents[2] / "winnower" / "recording"
WORKERS = 12


@pytest.fixture(scope="session")
def templates() -> list[Template]:
    return record(RECORDING, workers=1)


@pytest.fixture(scope="session")
def recorded(templates: list[Template]) -> list[list[tuple[Item, int]]]:
    return [items_of(template) for template in templates]


@pytest.fixture(scope="session")
def parts(recorded: list[list[tuple[Item, int]]]) -> list[Evidence]:
    chance = random.Random(1)
    return [evidence_of(worker, recorded, chance) for worker in range(WORKERS)]


def test_a_recorded_container_has_shown_states_and_transitions(recorded: list[list[tuple[Item, int]]]) -> None:
    assert all(len(items) > 200 for items in recorded)
    assert any(level > 3 for items in recorded for _, level in items)


def test_workers_miss_items_and_have_times_and_levels_of_their_own(parts: list[Evidence]) -> None:
    together = merged(parts)
    assert len(together.replicas) == WORKERS * merge.CONTAINERS
    assert all(len(part.seen) < len(together.seen) for part in parts)
    spans = {span for replicas in together.seen.values() for span in replicas.values()}
    assert len({span.first for span in spans}) > WORKERS
    assert len({span.level for span in spans}) > 5


def test_some_have_items_that_nobody_else_has(parts: list[Evidence]) -> None:
    replica, span = Replica("w", "c"), Span(0, 0)
    only = own("w", replica, span, parts[1])
    assert not only.seen.keys() <= merged(parts).seen.keys()
    assert not parts[0].seen.keys() <= merged(parts[1:]).seen.keys()


def test_shuffles_are_of_the_same_evidence(parts: list[Evidence]) -> None:
    assert shuffled(parts, random.Random(3)) == merged(parts)
    first = written(lambda: merged(parts))
    others = list(orders(parts, 2, seed=1))
    assert broken(first, others) == []


def test_seconds_and_bytes_above_their_limits_are_told(parts: list[Evidence]) -> None:
    first = written(lambda: merged(parts))
    less = written(lambda: merged(parts[1:]))
    slow = merge.Written(first.seconds | {"Evidence.update": 6.0}, first.digests, first.sizes)
    assert broken(slow, [first])[0].startswith("the merge takes 6.")
    assert broken(first, [first, less]) == [
        "1 of 2 shuffles give other bytes of the base model",
        "1 of 2 shuffles give other bytes of the folded model",
    ]


def test_a_merge_that_depends_on_order_is_exit_code_1(
    templates: list[Template], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(merge, "record", lambda folder, app: templates)
    arguments = ["--workers", "4", "--shuffles", "2"]
    assert main(arguments) == 0
    assert "2 of 2" in capsys.readouterr().out

    def last_wins(self: Evidence, other: Evidence) -> None:
        for item, replicas in other.seen.items():
            self.seen[item] = dict(replicas)

    monkeypatch.setattr(Evidence, "update", last_wins)
    assert main(arguments) == 1
    assert "shuffles give other bytes" in capsys.readouterr().out
