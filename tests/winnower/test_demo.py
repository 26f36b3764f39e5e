"""The demo shows the alert and its trace, and leaves nothing behind but what it was asked to keep."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Answer, left_in

from monitor.alerts import Alert
from monitor.monitor import Monitor
from monitor.store import Store
from winnower.demo import _programs


def test_the_demo_finds_the_attack_and_keeps_the_state_that_it_was_asked_to_keep(
    winnower: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    answer = winnower("demo", "--state", tmp_path / "kept state")
    assert (answer.code, answer.err) == (0, "")
    for told in ("ALERT web / worker3 / web31", "1 of 8 replicas", "Process .x /tmp/.x", "Socket 10.89.0.1:4444"):
        assert told in answer.out
    assert f"--state '{tmp_path}/kept state'" in answer.out.replace("\n", "")
    assert left_in(tmp_path) == ["kept state", "kept state/monitor.sqlite", "scratch"]
    assert winnower("alerts", "--state", tmp_path / "kept state").code == 0


def test_an_alert_without_nodes_or_trace_is_shown_all_the_same(tmp_path: Path) -> None:
    monitor = Monitor(Store(tmp_path, create=True))
    assert _programs(monitor, Alert("p", "t", "low", "a", "w", "c", 0, (1, 1), (), ())) == "  nothing is known of it"
