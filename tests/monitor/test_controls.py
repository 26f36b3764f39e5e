"""Control is a whole with a revision that only grows; a change that changes nothing is none."""

from __future__ import annotations

from pathlib import Path

from grammar.control import Control
from monitor.application import Application
from monitor.controls import MAX_PATTERN, MAX_PATTERNS, Controls, settled_patterns
from monitor.store import Store


def test_changes_are_kept_and_counted(tmp_path: Path) -> None:
    controls = Controls(Store(tmp_path, create=True))
    assert controls.current == Control()
    with controls.store.transaction():
        assert controls.change(epoch_millis=10_000)
        assert not controls.change(epoch_millis=10_000)
        assert controls.change(patterns=[("web", ("File /tmp/{int}",))], policies=[("a.cypher", "text")])
    again = Controls(controls.store)
    assert (
        again.current
        == controls.current
        == Control(2, 10_000, (("web", ("File /tmp/{int}",)),), (("a.cypher", "text"),))
    )
    with controls.store.transaction():
        assert not controls.adopt(Control(2, 5_000))
        assert controls.adopt(Control(7, 5_000))
    again.load()
    assert again.current == Control(7, 5_000)


def test_what_a_person_chose_is_remembered(tmp_path: Path) -> None:
    controls = Controls(Store(tmp_path, create=True))
    with controls.store.transaction():
        controls.choose_epoch(5_000)
    assert (controls.chosen_epoch, controls.current.epoch_millis) == (5_000, 5_000)
    with controls.store.transaction():
        controls.choose_epoch(0)
    assert (controls.chosen_epoch, controls.current.epoch_millis) == (0, 5_000)


def test_only_patterns_that_can_travel_are_told() -> None:
    apps = [Application(name) for name in ("web", "x" * 257, "db", "none")]
    for app in apps[:3]:
        app.evidence.learned |= {"File /tmp/{int}", "File /\udcff", "x" * (MAX_PATTERN + 1)}
    assert settled_patterns(apps) == [("db", ("File /tmp/{int}",)), ("web", ("File /tmp/{int}",))]
    apps[0].evidence.learned |= {f"File /{n}" for n in range(2 * MAX_PATTERNS)}
    assert sum(len(told) for _, told in settled_patterns(apps)) == MAX_PATTERNS
