"""The log is rotated during a burst, again and again, while a real agent follows it: every record is read once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from growing_log import KEPT, GrowingLog
from nodes import RealAgent, RealMonitor
from reference import applied, check_journal, check_models, check_told, counted, envelope, sent, settle

MEGABYTE = 1 << 20


@pytest.mark.parametrize("killed", [False, True], ids=["followed", "killed meanwhile"])
def test_the_log_is_rotated_during_a_burst(
    monitor: RealMonitor,
    tmp_path: Path,
    agent_of: Callable[..., RealAgent],
    extent: Callable[[int, int], int],
    killed: bool,
) -> None:
    """As auditd does it, by renaming, a megabyte at a time, as fast as it can be written."""
    if not killed and extent(1, 0):
        pytest.skip("the short version has the burst with a kill in it")
    log = GrowingLog(tmp_path / "audit" / "audit.log", 8, rotate=MEGABYTE)
    agent = agent_of(monitor, "w1", log.log)
    agent.start()
    for burst in range(extent(1, 8)):
        for _ in range(8 * KEPT):  # about as much as rotation keeps, but not more: then there would be a gap
            log.write(400)
            if log.rotations >= (burst + 1) * extent(5, KEPT - 4):
                break
        if killed:
            agent.kill()
            log.write(2_000)
            agent.start()
        wait_for_reader(agent, log, extent(0, 3))
    log.complete()
    settle(agent, counted(log.whole))
    assert log.rotations >= extent(5, 60)
    with agent.ledger() as ledger:
        kept = sent("w1", ledger)
    assert monitor.stop() == 0
    journal = applied(monitor.state)
    envelopes = [envelope(kept[key]) for key in journal]
    check_journal(journal, {"w1": len(kept)})
    check_told(log.whole, envelopes)
    check_models(monitor.state, tmp_path / "fresh", journal, kept)
    lost = {cause for one in envelopes for cause in one.lost}
    assert not lost & {"capture_gap", "capture_unknown", "truncated", "unfinished", "late", "state_reset"}, lost


def wait_for_reader(agent: RealAgent, log: GrowingLog, seconds: float) -> None:
    """The next burst comes when this one has been read, more or less."""
    assert agent.alive, agent.log[-2000:]
    time.sleep(seconds)


def test_what_was_rotated_away_is_counted(
    monitor: RealMonitor, tmp_path: Path, agent_of: Callable[..., RealAgent]
) -> None:
    """The agent is away for longer than rotation keeps: it says how much it has missed, and goes on."""
    log = GrowingLog(tmp_path / "audit" / "audit.log", 9, rotate=MEGABYTE // 16)
    agent = agent_of(monitor, "w1", log.log)
    agent.start()
    log.write(200)
    log.complete()
    settle(agent, 200)
    agent.kill()
    while log.rotations < 3 * KEPT:
        log.write(100)
    log.complete()
    there = [log.log, *log.log.parent.glob("audit.log.*")]
    left = sum(path.stat().st_size for path in there)
    agent.start()
    time.sleep(2)
    assert agent.stop() == 0
    with agent.ledger() as ledger:
        envelopes = [envelope(one) for one in sent("w1", ledger).values()]
    lost = {cause: sum(one.lost.get(cause, 0) for one in envelopes) for one in envelopes for cause in one.lost}
    assert lost.get("capture_gap", 0) > 0 or lost.get("capture_unknown", 0) > 0, lost
    assert 200 < sum(one.events for one in envelopes) < log.written
    assert left > 0
