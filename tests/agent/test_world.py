"""What the main loop asks of the world: quick answers, and no exceptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent import world as module
from agent.kernel_wire import KernelStatus
from agent.live_containers import LiveContainers
from agent.memory import Memory
from agent.pipeline import Pipeline
from agent.world import World
from grammar import InputError


def world(folder: Path, ask: bool = True) -> World:
    return World(folder, LiveContainers(), None, {}, ask_kernel=ask)


def memory() -> Memory:
    return Memory(Pipeline(LiveContainers(), 1000))


def test_the_kernel_s_losses_are_what_is_new_since_the_last_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = [KernelStatus(enabled=1, pid=1, lost=5), KernelStatus(enabled=1, pid=1, lost=12)]
    monkeypatch.setattr(module, "read_status", lambda: readings.pop(0))
    one, kept = world(tmp_path), memory()
    assert one.kernel(kept) == {}
    assert one.kernel(kept) == {"kernel_lost": 7}


def test_a_full_backlog_and_a_rate_limit_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = KernelStatus(enabled=1, pid=1, backlog=95, backlog_limit=100, rate_limit=10)
    monkeypatch.setattr(module, "read_status", lambda: status)
    one, kept = world(tmp_path), memory()
    assert one.kernel(kept) == {"kernel_rate_limited": 1}
    worse = replace(status, lost=3)
    monkeypatch.setattr(module, "read_status", lambda: worse)
    assert one.kernel(kept) == {"kernel_lost": 3, "kernel_backlog_full": 1, "kernel_rate_limited": 1}


def test_a_kernel_that_does_not_answer_is_a_loss_and_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied() -> KernelStatus:
        raise InputError("not permitted")

    monkeypatch.setattr(module, "read_status", denied)
    assert world(tmp_path).kernel(memory()) == {"kernel_unread": 1}
    assert world(tmp_path, ask=False).kernel(memory()) == {}


def test_a_snapshot_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    one = world(tmp_path / "state")
    assert one.save(memory(), b"") == "snapshot-1"
    one.saved("snapshot-1")
    (tmp_path / "file").touch()
    broken = world(tmp_path / "file" / "state")
    assert broken.save(memory(), b"") == "" and broken.failures == 1
